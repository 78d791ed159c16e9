using System.Buffers.Binary;
using System.Diagnostics;
using System.IO.Compression;
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
        using Tool passt = Tool.StartIn(
            network, "passt", "-f", "-4", "-s", passtSocket, "-t", "8080:80", "-i", NetworkNamespace.TapName,
            "--runas", "0:0");
        string image = Path.Combine(_folder, "second.img");
        await File.WriteAllBytesAsync(image, new byte[1 << 20]);
        nbdkit.WaitForListener(nbdSocket);
        passt.WaitForListener(passtSocket);
        await using var vm = new VmProcess(
            _folder, "vm", "--guest", "debian", "--memory", $"{GuestMebibytes}M", "--bios", OpenSbi, "--append",
            "console=ttyS0 quiet colo.dhcp",
            "--disk", $"nbd=nbd+unix:///?socket={nbdSocket}", "--disk",
            $"file={image},readonly,serial=colo77",
            "--nic", $"stream=unix:{passtSocket},mac=52:54:00:77:00:02,mtu=1400");
        vm.Console.WaitFor("OpenSBI v", DebianGuest.BootLimit);
        vm.Console.WaitFor(DebianGuest.ReadyText, DebianGuest.BootLimit);
        Assert.Contains("colo-guest: disk vda 16384 sectors", vm.Console.Text);
        Assert.DoesNotContain("no DHCP answer", vm.Console.Text);
        byte[] blob = network.Run(() => DebianGuest.Get($"/cgi-bin/blob?{length}", DebianGuest.BootLimit,
            "127.0.0.1", 8080));
        Assert.Equal(SHA256.HashData(DebianGuest.ExpectedBlob(length)), SHA256.HashData(blob));
        vm.Console.WaitFor("login:", DebianGuest.BootLimit);
        vm.Type("root\n");
        vm.Console.WaitFor("~ # ", DebianGuest.BootLimit);
        vm.Type("cd /sys/block/vdb; echo has: $(cat serial) $(cat ro size /sys/class/net/eth0/mtu); cd\n");
        vm.Console.WaitFor("has: colo77 1 2048 1400", DebianGuest.BootLimit);
        await RequireIdleAsync(vm.Id);
        FillMemory(vm);
        RequireMemory(vm.Id, "at the moment all memory was touched");
        Assert.DoesNotContain("Akka.dll", await File.ReadAllTextAsync($"/proc/{vm.Id}/maps"));
        vm.Type("rm /tmp/fill; seq 1 60000 | sort -n | gzip | sha256sum; echo wo''rked\n");
        vm.Console.WaitFor("worked", DebianGuest.BootLimit);
        RequireMemory(vm.Id, "after work");
        await vm.ExecuteAsync("system_powerdown");
        await vm.EndsWithAsync(0);
        Assert.Contains("colo-guest: power button", vm.Console.Text);
        Assert.Contains("reboot: Power down", vm.Console.Text);
    }

    [Fact]
    public async Task Debian_here_and_Debian_on_QEMU_talk_over_a_stream_socket()
    {
        string wire = Path.Combine(_folder, "wire");
        string ours = Path.Combine(_folder, "ours.pcap");
        string theirs = Path.Combine(_folder, "theirs.pcap");
        string images = DebianGuest.Folder;
        await using var vm = new VmProcess(
            _folder, "vm", "--kernel", Compress(Path.Combine(images, "Image")),
            "--initrd", Path.Combine(images, "initrd.img"), "--append", "console=ttyS0 quiet colo.ip=10.77.0.2/24",
            "--nic", $"stream=unix:{wire},listen,dump={ours}");
        vm.WaitForListener(wire);
        using Tool qemu = Tool.Start(
            "qemu-system-riscv64", "-M", "virt", "-m", "256M", "-nographic", "-monitor", "none", "-serial", "none",
            "-kernel", Path.Combine(images, "Image"), "-initrd", Path.Combine(images, "initrd.img"), "-append",
            "colo.ip=10.77.0.3/24",
            "-netdev", $"stream,id=n0,server=off,addr.type=unix,addr.path={wire}",
            "-object", $"filter-dump,id=d0,netdev=n0,file={theirs}",
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
        await vm.EndsWithAsync(0);
        RequireSameFrames(ours, theirs);
    }

    private string Compress(string kernel)
    {
        string compressed = Path.Combine(_folder, "Image.gz");
        using FileStream source = File.OpenRead(kernel);
        using var target = new GZipStream(File.Create(compressed), CompressionLevel.Fastest);
        source.CopyTo(target);
        return compressed;
    }

    /// <summary>Until the page has come, all frames that QEMU recorded are in our record, in the same order for each
    /// sender.</summary>
    private static void RequireSameFrames(string ours, string theirs)
    {
        Dictionary<string, Queue<byte[]>> recorded = [];
        foreach (byte[] frame in ReadPcap(ours))
        {
            string sender = Convert.ToHexString(frame, 6, 6);
            recorded.TryAdd(sender, new Queue<byte[]>());
            recorded[sender].Enqueue(frame);
        }

        int count = 0;
        foreach (byte[] frame in ReadPcap(theirs))
        {
            Queue<byte[]> candidates = recorded[Convert.ToHexString(frame, 6, 6)];
            bool found = false;
            // What was said before the two were connected is in one record only.
            while (!found && candidates.TryDequeue(out byte[]? candidate))
            {
                found = candidate.AsSpan().SequenceEqual(frame);
            }

            Assert.True(found, $"frame {count} of QEMU's record is not in ours");
            count++;
            if (frame.AsSpan().IndexOf("hello from the guest"u8) >= 0)
            {
                Assert.True(count > 5 && recorded.Count > 1, $"the page came in frame {count}");
                return;
            }
        }

        Assert.Fail($"the page is not in QEMU's record of {count} frames");
    }

    /// <summary>Classic pcap of Ethernet frames, microseconds, little endian.</summary>
    private static IEnumerable<byte[]> ReadPcap(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        Assert.Equal(0xa1b2c3d4, BinaryPrimitives.ReadUInt32LittleEndian(bytes));
        Assert.Equal(1u, BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(20)));
        for (int at = 24; at < bytes.Length;)
        {
            int kept = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at + 8));
            Assert.Equal(kept, BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at + 12)));
            yield return bytes[(at + 16)..(at + 16 + kept)];
            at += 16 + kept;
        }
    }

    /// <summary>While the guest waits for somebody to type, its harts' threads sleep.</summary>
    private static async Task RequireIdleAsync(int id)
    {
        var waited = Stopwatch.StartNew();
        double share;
        do
        {
            // What the guest still has to do after its boot may take a while.
            Assert.True(waited.Elapsed < VmProcess.Hang, "the process of an idle guest does not come to rest");
            using Process process = Process.GetProcessById(id);
            TimeSpan before = process.TotalProcessorTime;
            var window = Stopwatch.StartNew();
            await Task.Delay(TimeSpan.FromSeconds(1));
            process.Refresh();
            share = (process.TotalProcessorTime - before) / window.Elapsed;
        }
        while (share > 0.1);
    }

    /// <summary>The guest touches all the memory that it has left but 4 MiB, and keeps it.</summary>
    private static void FillMemory(VmProcess vm)
    {
        vm.Type("mount -o remount,size=100% /tmp; n=$(awk '/MemFree/{print int($2/64)-64}' /proc/meminfo)\n");
        // The quotes keep what is typed, and echoed, apart from what is printed.
        vm.Type("dd if=/dev/zero of=/tmp/fill bs=64k count=$n 2>/dev/null; echo fi''lled\n");
        vm.Console.WaitFor("filled", DebianGuest.BootLimit);
    }

    /// <summary>What the process holds beyond the memory that the guest was promised, all of which it has
    /// touched.</summary>
    private static void RequireMemory(int process, string moment)
    {
        long mebibytes = Resident(process) - GuestMebibytes;
        Assert.True(
            mebibytes is >= 0 and <= OverheadMebibytesMax,
            $"{moment} the process holds {mebibytes} MiB beside its guest's {GuestMebibytes}, expected 0 to "
            + OverheadMebibytesMax);
    }

    private static long Resident(int process)
    {
        string line = File.ReadLines($"/proc/{process}/status")
            .First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line["VmRSS:".Length..^"kB".Length], System.Globalization.CultureInfo.InvariantCulture) >> 10;
    }
}
