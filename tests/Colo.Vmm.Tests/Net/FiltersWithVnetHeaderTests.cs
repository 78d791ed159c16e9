using System.Diagnostics;
using System.Text;
using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

/// <summary>
/// Our packet streams with a QEMU whose card has a virtio-net header before each frame, so that the second length word
/// of the stream is not zero. The card's TAP lives in a namespace of the test's own; no guest program drives the card,
/// because filters stand before it (the machine runs all the same: QEMU sends nothing while it is stopped).
/// </summary>
[Trait("Category", "e2e")]
public sealed class FiltersWithVnetHeaderTests : IDisposable
{
    private const string GuestMac = "52:54:00:c0:10:02";
    private const string Text = "over a header of its own";
    private static readonly TimeSpan HangBound = TimeSpan.FromSeconds(60);
    private readonly string name = $"cvh{Environment.ProcessId % 100_000}";
    private readonly List<(byte[] Payload, int VnetLength)> copies = [];
    private readonly ManualResetEventSlim found = new();

    public FiltersWithVnetHeaderTests() => TestTap.Ip($"netns add {name}");

    public void Dispose()
    {
        TestTap.Ip($"netns del {name}");
        found.Dispose();
    }

    [Fact]
    public void A_filter_mirror_sends_header_and_frame_and_a_redirector_takes_them_back()
    {
        using var qemu = new QemuProcess(directory =>
            $"-machine pc,accel=tcg -m 32 -netdev tap,id=n0,ifname={name},script=no,downscript=no,vnet_hdr=on "
            + $"-device virtio-net-pci,netdev=n0,romfile=,mac={GuestMac} "
            + string.Concat(((string[])["out", "in"]).Select(n => $"-chardev socket,id={n},path={directory}/{n},server=on,wait=off "))
            + "-object filter-mirror,id=f0,netdev=n0,queue=tx,outdev=out,vnet_hdr_support=on "
            + "-object filter-redirector,id=f1,netdev=n0,queue=rx,indev=in,vnet_hdr_support=on");
        using var output = new FrameStreamEndpoint(qemu.Connect("out"), hasVnetHeader: true);
        using var input = new FrameStreamEndpoint(qemu.Connect("in"), hasVnetHeader: true);
        output.Start(Take);
        TestTap.Ip($"link set {name} netns {name}");
        Run("sysctl -q -w net.ipv6.conf.all.disable_ipv6=1");
        TestTap.Ip($"-n {name} addr add 192.0.2.1/24 dev {name}");
        TestTap.Ip($"-n {name} link set {name} up");
        TestTap.Ip($"-n {name} neigh add 192.0.2.2 lladdr {GuestMac} dev {name}");
        Run($"bash -c \"echo -n '{Text}' > /dev/udp/192.0.2.2/9\"");

        Assert.True(found.Wait(HangBound), $"the datagram is not among the {copies.Count} copies; {output.CloseReason}");
        var (payload, vnetLength) = copies[^1];
        Assert.InRange(vnetLength, 10, 12);
        var frame = payload.AsSpan(vnetLength);
        Assert.Equal(GuestMac.Replace(":", "", StringComparison.Ordinal), Convert.ToHexStringLower(frame[..6]));
        Assert.Equal(Text, Encoding.ASCII.GetString(frame[^Text.Length..]));
        Assert.Equal(14 + 20 + 8 + Text.Length, frame.Length);

        // The way back: what QEMU hands to the TAP is the frame without the header.
        var before = ReceivedBytes();
        Assert.True(input.TrySend(payload, vnetLength));
        var deadline = Stopwatch.StartNew();
        while (ReceivedBytes() == before && deadline.Elapsed < HangBound)
        {
            using var wait = new ManualResetEventSlim();
            wait.Wait(20);
        }

        Assert.Equal(frame.Length, ReceivedBytes() - before);
    }

    private bool Take(ReadOnlySpan<byte> payload, int vnetHeaderLength)
    {
        if (!found.IsSet)
        {
            copies.Add((payload.ToArray(), vnetHeaderLength));
            if (payload.IndexOf(Encoding.ASCII.GetBytes(Text)) > 0)
            {
                found.Set();
            }
        }

        return true;
    }

    private long ReceivedBytes() => long.Parse(
        Run($"cat /sys/class/net/{name}/statistics/rx_bytes"), System.Globalization.CultureInfo.InvariantCulture);

    private string Run(string command)
    {
        using var process = Process.Start(
            new ProcessStartInfo("ip", $"netns exec {name} {command}") { RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{command} ended with {process.ExitCode}");
        return output;
    }
}
