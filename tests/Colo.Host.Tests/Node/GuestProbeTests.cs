using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Threading.Channels;
using Colo.Host.Configuration;
using Colo.Host.Node;

namespace Colo.Host.Tests.Node;

public sealed class GuestProbeTests
{
    /// <summary>A hang, not a slow machine.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(90);

    [Fact]
    public async Task An_interface_that_is_made_anew_is_asked_on_again()
    {
        string near = string.Create(CultureInfo.InvariantCulture, $"colo{Environment.ProcessId % 100_000}q");
        string far = near + "f";
        IPAddress address = new([198, 18, (byte)(Environment.ProcessId >> 8), (byte)Environment.ProcessId]);
        await ConnectAsync(near, far, address);
        var answers = Channel.CreateUnbounded<bool>();
        try
        {
            using var probe = new GuestProbe(
                new VmCheck(address, TimeSpan.FromMilliseconds(200), 3) { By = VmCheckQuestion.Arp }, near, () => true,
                answered => answers.Writer.TryWrite(answered));
            await ToldAsync(answers.Reader, answered: true);
            await IpAsync("link", "del", near);
            await ToldAsync(answers.Reader, answered: false);
            await ConnectAsync(near, far, address); // as a restart of the host's network does
            await ToldAsync(answers.Reader, answered: true);
        }
        finally
        {
            await IpAsync("link", "del", near);
        }
    }

    private static async Task ToldAsync(ChannelReader<bool> answers, bool answered)
    {
        using var late = new CancellationTokenSource(Hang);
        while (await answers.ReadAsync(late.Token) != answered)
        {
            // Not yet.
        }
    }

    /// <summary>Two ends of a cable; the far one has the address, for which the kernel answers.</summary>
    private static async Task ConnectAsync(string near, string far, IPAddress address)
    {
        await IpAsync("link", "add", near, "type", "veth", "peer", "name", far);
        await IpAsync("addr", "add", $"{address}/32", "dev", far);
        await IpAsync("link", "set", far, "up");
        await IpAsync("link", "set", near, "up");
    }

    private static async Task IpAsync(params string[] arguments)
    {
        using Process ip = Process.Start("ip", arguments);
        await ip.WaitForExitAsync();
        Assert.Equal(0, ip.ExitCode);
    }
}
