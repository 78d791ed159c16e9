using System.Security.Cryptography;
using System.Text;
using Colo.Vmm.Block;
using Colo.Vmm.Machine;

namespace Colo.EndToEnd.Machine;

/// <summary>A stock Debian kernel on the embedded machine, with real packets over TAP in a namespace of the test's
/// own.</summary>
[Trait("Category", "e2e")]
[Trait("Group", "guest")]
public class DebianBootTests
{
    /// <summary>Bytes that are read between two looks at the machine.</summary>
    private const int Part = 4096;

    private static readonly TimeSpan RequestLimit = TimeSpan.FromMinutes(5);

    [Fact]
    public async Task Debian_boots_sees_its_devices_serves_a_file_and_powers_off()
    {
        const int length = 1 << 20;
        using var network = new NetworkNamespace();
        var console = new ConsoleRecorder();
        using var disk = new MemoryDevice(8 << 20);
        using var machine = new VirtMachine(DebianGuest.Options(console, DebianGuest.OpenTap(network), new DiskOptions(disk, "test")));
        machine.Start();
        console.WaitFor(DebianGuest.ReadyText, DebianGuest.BootLimit);
        Assert.Contains("colo-guest: disk vda 16384 sectors", console.Text);
        Assert.Equal("hello from the guest\n", Encoding.ASCII.GetString(network.Run(() => DebianGuest.Get("/", RequestLimit))));
        byte[] blob = network.Run(() => DebianGuest.Get($"/cgi-bin/blob?{length}", RequestLimit));
        Assert.Equal(SHA256.HashData(DebianGuest.ExpectedBlob(length)), SHA256.HashData(blob));
        console.WaitFor("login:", DebianGuest.BootLimit);
        console.Type("root\n");
        console.WaitFor("# ", DebianGuest.BootLimit);
        console.Type("poweroff\n");
        MachineExit exit = await machine.Completion.WaitAsync(RequestLimit);
        Assert.Equal(new MachineExit(MachineExitReason.GuestShutdown, 0), exit);
    }

    [Fact]
    public void Download_goes_on_over_saves_and_restores_at_random_instructions()
    {
        const int length = 8 << 20;
        int rounds = int.TryParse(Environment.GetEnvironmentVariable("COLO_SAVE_ROUNDS"), out int asked) ? asked : 5;
        const int seed = 11;
        var random = new Random(seed);
        using var network = new NetworkNamespace();
        var console = new ConsoleRecorder();
        VirtMachine machine = new(DebianGuest.Options(console, DebianGuest.OpenTap(network)));
        try
        {
            machine.Start();
            console.WaitFor(DebianGuest.ReadyText, DebianGuest.BootLimit);
            // Read at the test's own pace: however slow the test is, the download is not over before the last move.
            using SteadyDownload download = network.Run(() => new SteadyDownload(length, RequestLimit));
            for (int round = 0; round < rounds; round++)
            {
                ulong target = machine.InstructionsRetired + (ulong)random.NextInt64(1_000_000, 20_000_000);
                while (machine.InstructionsRetired < target)
                {
                    download.Read(Part);
                    Assert.True(download.Received < length, $"the download was over in round {round}");
                }

                machine = MoveToNewMachine(machine, network, console);
            }

            download.Finish();
        }
        finally
        {
            machine.Dispose();
        }
    }

    private static VirtMachine MoveToNewMachine(VirtMachine machine, NetworkNamespace network, ConsoleRecorder console)
    {
        using var saved = new MemoryStream();
        machine.Pause();
        machine.Save(saved);
        machine.Dispose();
        saved.Position = 0;
        var next = new VirtMachine(DebianGuest.Options(console, DebianGuest.OpenTap(network)));
        RestoreResult result = next.Restore(saved);
        Assert.Null(result.Error);
        next.Start();
        return next;
    }
}
