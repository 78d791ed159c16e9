using System.Net;
using System.Net.NetworkInformation;

namespace Colo.Host.Node;

/// <summary>
/// Asks one address by ICMP echo again and again, on a thread of its own, and tells of each answer and each silence.
/// Sending needs root, CAP_NET_RAW, or a <c>ping</c> program.
/// </summary>
internal sealed class IcmpProbe : IDisposable
{
    private readonly ManualResetEventSlim ended = new();
    private readonly IPAddress address;
    private readonly TimeSpan interval;
    private readonly TimeSpan timeout;
    private readonly Func<bool> wanted;
    private readonly Action<bool> told;

    /// <param name="wanted">Asked before each echo: whether to send it.</param>
    /// <param name="told">True for an answer, false when none came in time.</param>
    public IcmpProbe(IPAddress address, TimeSpan interval, TimeSpan timeout, Func<bool> wanted, Action<bool> told)
    {
        this.address = address;
        this.interval = interval;
        this.timeout = timeout;
        this.wanted = wanted;
        this.told = told;
        new Thread(Run) { IsBackground = true, Name = $"colo asks {address}" }.Start();
    }

    public void Dispose() => ended.Set();

    private void Run()
    {
        using var ping = new Ping();
        while (!ended.Wait(interval))
        {
            if (wanted())
            {
                told(Ask(ping));
            }
        }
    }

    private bool Ask(Ping ping)
    {
        try
        {
            return ping.Send(address, (int)timeout.TotalMilliseconds).Status == IPStatus.Success;
        }
        catch (Exception problem) when (problem is PingException or PlatformNotSupportedException)
        {
            return false; // no route, or no right to ask: not reached from here either way
        }
    }
}
