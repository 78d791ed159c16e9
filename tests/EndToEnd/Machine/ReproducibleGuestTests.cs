using System.Buffers;
using System.Diagnostics;
using System.Security.Cryptography;
using Colo.Vmm.Block;
using Colo.Vmm.Machine;

namespace Colo.EndToEnd.Machine;

/// <summary>
/// Debian by instruction count: with the same disk, the same peer and nothing typed, every run is the same run, to the
/// last instruction and the last bit, whatever the host does in the meantime.
/// </summary>
[Trait("Category", "e2e")]
[Trait("Group", "guest")]
public sealed class ReproducibleGuestTests : IDisposable
{
    private const string PeerAddress = "10.77.0.9";

    /// <summary>What a second run would show differently first: times, counts of interrupts, randomness.</summary>
    private const string Work = $"""
        cd /mnt/data
        ping -c 3 {PeerAddress} >talk
        head -c 100000 /dev/urandom >noise
        seq 1 3000 | sort -r | gzip >sorted
        for i in 1 2 3 4 5; do cat /proc/interrupts /proc/uptime /proc/stat >state$i; sync; done
        cat talk /proc/interrupts >/dev/console
        sha256sum noise sorted state* >/dev/console
        cd /
        umount /mnt/data
        poweroff -f
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("colo-again-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Debian_with_a_disk_and_a_peer_runs_the_same_run_twice_by_instruction_count()
    {
        string image = MakeImage();
        // Beside each other, so that each disturbs the other's timing.
        Outcome[] outcomes = await Task.WhenAll(
            Task.Run(() => RunAsync(image, "first")), Task.Run(() => RunAsync(image, "second")));
        Assert.Contains("3 packets received, 0% packet loss", outcomes[0].Console);
        Assert.Contains("reboot: Power down", outcomes[0].Console);
        Assert.NotEqual(Hash(File.ReadAllBytes(image)), outcomes[0].Disk);
        Assert.Equal(outcomes[0].Console, outcomes[1].Console);
        Assert.Equal(outcomes[0], outcomes[1]);
    }

    private static string Hash(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    private string MakeImage()
    {
        string content = Directory.CreateDirectory(Path.Combine(_folder, "content")).FullName;
        File.WriteAllText(Path.Combine(content, "work"), Work);
        string image = Path.Combine(_folder, "image");
        using Process made = Process.Start(
            new ProcessStartInfo("mke2fs", ["-q", "-F", "-t", "ext4", "-d", content, image, "8M"]))!;
        made.WaitForExit();
        Assert.Equal(0, made.ExitCode);
        return image;
    }

    private async Task<Outcome> RunAsync(string image, string name)
    {
        string file = Path.Combine(_folder, name);
        File.Copy(image, file);
        var console = new ConsoleRecorder();
        using var peer = new PingPeer();
        using (var disk = new RawFileDevice(file, readOnly: false))
        {
            MachineOptions options = DebianGuest.Options(console, peer, new DiskOptions(disk, "again"));
            using var machine = new VirtMachine(options with
            {
                CommandLine = options.CommandLine + " colo.mount=vda colo.run=work",
                Clock = ClockMode.InstructionCount,
                Seed = 1,
            });
            machine.Start();
            MachineExit exit = await machine.Completion.WaitAsync(DebianGuest.BootLimit);
            Assert.True(exit == new MachineExit(MachineExitReason.GuestShutdown, 0), $"{exit}: {console.Text}");
            disk.Dispose();
            return new Outcome(
                console.Text, machine.InstructionsRetired, Devices(machine), Ram(machine),
                Hash(await File.ReadAllBytesAsync(file)));
        }
    }

    private static string Devices(VirtMachine machine)
    {
        var state = new ArrayBufferWriter<byte>();
        machine.SaveDevices(state);
        return Hash(state.WrittenSpan);
    }

    private static string Ram(VirtMachine machine)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (int page = 0; page < machine.Ram.PageCount; page++)
        {
            hash.AppendData(machine.Ram.ReadPage(page));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private sealed record Outcome(string Console, ulong Retired, string Devices, string Ram, string Disk);
}
