using System.Security.Cryptography;

namespace Colo.EndToEnd.Machine;

/// <summary>
/// The program itself as a user starts it: <c>colo vm run</c> with a stock Debian kernel and other people's
/// tools.
/// </summary>
[Trait("Category", "e2e")]
public sealed class VmRunTests : IDisposable
{
    private const string OpenSbi = "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin";
    private const int GuestMebibytes = 256;
    private const int OverheadMebibytesMax = 64;
    private readonly string _folder = Directory.CreateTempSubdirectory("colo-vm-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Debian_on_OpenSBI_with_a_disk_over_NBD_and_a_card_on_passt_obeys_its_power_button()
    {
        const int length = 300_000;
        using var network = new NetworkNamespace();
        network.Run(() => NetworkNamespace.Ip("route add default via " + NetworkNamespace.GuestAddress));
        string nbdSocket = Path.Combine(_folder, "nbd");
        string passtSocket = Path.Combine(_folder, "passt");
        using Tool nbdkit = Tool.Start("nbdkit", "-f", "-U", nbdSocket, "memory", "8M");
        using Tool passt = network.Run(() => Tool.Start(
            "passt", "-f", "-4", "-s", passtSocket, "-t", "8080:80", "-i", NetworkNamespace.TapName, "--runas", "0:0"));
        Tool.WaitForFile(nbdSocket, nbdkit);
        Tool.WaitForFile(passtSocket, passt);
        await using var vm = new VmProcess(
            _folder, "vm", "--guest", "debian", "--memory", $"{GuestMebibytes}M", "--bios", OpenSbi, "--append",
            "console=ttyS0 colo.dhcp",
            "--disk", $"nbd=nbd+unix:///?socket={nbdSocket}", "--nic",
            $"stream=unix:{passtSocket},mac=52:54:00:77:00:02");
        vm.Console.WaitFor("OpenSBI v", DebianGuest.BootLimit);
        vm.Console.WaitFor(DebianGuest.ReadyText, DebianGuest.BootLimit);
        Assert.Contains("colo-guest: disk vda 16384 sectors", vm.Console.Text);
        Assert.DoesNotContain("no DHCP answer", vm.Console.Text);
        byte[] blob = network.Run(() => DebianGuest.Get($"/cgi-bin/blob?{length}", DebianGuest.BootLimit,
            "127.0.0.1", 8080));
        Assert.Equal(SHA256.HashData(DebianGuest.ExpectedBlob(length)), SHA256.HashData(blob));
        vm.Console.WaitFor("login:", DebianGuest.BootLimit);
        RequireMemory(vm.Id);
        await vm.ExecuteAsync("system_powerdown");
        Assert.Equal(0, await vm.ExitCodeAsync());
        Assert.Contains("colo-guest: power button", vm.Console.Text);
        Assert.Contains("reboot: Power down", vm.Console.Text);
    }

    [Fact]
    public async Task Debian_here_and_Debian_on_QEMU_talk_over_a_stream_socket()
    {
        string wire = Path.Combine(_folder, "wire");
        string images = DebianGuest.Folder;
        await using var vm = new VmProcess(
            _folder, "vm", "--guest", "debian", "--append", "console=ttyS0 colo.ip=10.77.0.2/24", "--nic",
            $"stream=unix:{wire},listen");
        Tool.WaitForFile(wire, null);
        using Tool qemu = Tool.Start(
            "qemu-system-riscv64", "-M", "virt", "-m", "256M", "-nographic", "-monitor", "none", "-serial", "none",
            "-kernel", Path.Combine(images, "Image"), "-initrd", Path.Combine(images, "initrd.img"), "-append",
            "colo.ip=10.77.0.3/24",
            "-netdev", $"stream,id=n0,server=off,addr.type=unix,addr.path={wire}",
            "-device", "virtio-net-device,netdev=n0,mac=52:54:00:77:00:03");
        vm.Console.WaitFor("login:", DebianGuest.BootLimit);
        vm.Type("root\n");
        vm.Console.WaitFor("~ # ", DebianGuest.BootLimit);
        // The other one may still be booting.
        vm.Type("until wget -q -T 5 -O /tmp/page http://10.77.0.3/; do sleep 1; done\n");
        vm.Type("sed 's/hello/heard:/' /tmp/page\n");
        vm.Console.WaitFor("heard: from the guest", DebianGuest.BootLimit);
        // The escape key ends the machine.
        vm.Type("\u0001x");
        Assert.Equal(0, await vm.ExitCodeAsync());
    }

    /// <summary>The bound: what the process holds beyond the memory that the guest was promised.</summary>
    private static void RequireMemory(int process)
    {
        string line = File.ReadLines($"/proc/{process}/status")
            .First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
        long kibibytes = long.Parse(line["VmRSS:".Length..^"kB".Length],
            System.Globalization.CultureInfo.InvariantCulture);
        Assert.True(
            kibibytes >> 10 <= GuestMebibytes + OverheadMebibytesMax,
            $"the process holds {kibibytes >> 10} MiB, expected at most {GuestMebibytes} + {OverheadMebibytesMax}");
    }
}
