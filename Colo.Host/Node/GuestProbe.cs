using Colo.Host.Configuration;

namespace Colo.Host.Node;

/// <summary>Asks a guest by ARP again and again, on a thread of its own; an interface that is not there, or
/// no longer the same, is tried again.</summary>
internal sealed class GuestProbe : IDisposable
{
    private readonly ManualResetEventSlim ended = new();
    private readonly VmCheck check;
    private readonly string device;
    private readonly Func<bool> wanted;
    private readonly Action<bool> told;

    public GuestProbe(VmCheck check, string device, Func<bool> wanted, Action<bool> told)
    {
        this.check = check;
        this.device = device;
        this.wanted = wanted;
        this.told = told;
        new Thread(Run) { IsBackground = true, Name = $"colo asks {check.Address}" }.Start();
    }

    public void Dispose() => ended.Set();

    private void Run()
    {
        ArpProbe? probe = null;
        while (!ended.Wait(check.Interval))
        {
            if (!wanted())
            {
                continue;
            }

            bool answered = false;
            try
            {
                probe ??= new ArpProbe(device, check.Address);
                answered = probe.Ask(check.Interval);
            }
            catch (IOException)
            {
                probe?.Dispose();
                probe = null;
            }

            told(answered);
        }

        probe?.Dispose();
    }
}
