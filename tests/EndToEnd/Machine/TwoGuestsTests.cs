using Colo.Vmm.Machine;

namespace Colo.EndToEnd.Machine;

/// <summary>
/// Two Debian guests that have booted each on its own, with initial sequence numbers, timestamps and moments of their
/// own, answer one client through comparer and rewriter. With COLO_TRACES=FOLDER the frames are kept there;
/// tests/Colo.Vmm.Tests/Net/Traces holds such a record.
/// </summary>
[Trait("Category", "e2e")]
[Trait("Group", "guest")]
public class TwoGuestsTests
{
    private static readonly TimeSpan RequestLimit = TimeSpan.FromMinutes(5);

    [Fact]
    public void A_client_is_answered_by_two_guests_that_booted_apart()
    {
        const int length = 12_000;
        string? kept = Environment.GetEnvironmentVariable("COLO_TRACES");
        string folder = kept ?? Directory.CreateTempSubdirectory("colo-traces-").FullName;
        try
        {
            using var network = new NetworkNamespace();
            using var tap = DebianGuest.OpenTap(network);
            using var wire = new ReplicaWire(tap, folder);
            using VirtMachine primary = Boot(wire.Primary);
            using VirtMachine secondary = Boot(wire.Secondary);
            wire.Open();
            // Not the start page: the server dates it, and clocks that were started apart need not be in the same second.
            Assert.Equal(DebianGuest.ExpectedBlob(100), Get(network, wire, "/cgi-bin/blob?100"));
            Task<byte[]>[] both = [.. Enumerable.Range(0, 2).Select(_ => Task.Run(() => Get(network, wire, $"/cgi-bin/blob?{length}")))];
            Assert.All(both, task => Assert.Equal(DebianGuest.ExpectedBlob(length), task.GetAwaiter().GetResult()));
            // The last acknowledgements of the slower guest are a part of the record.
            Assert.True(SpinWait.SpinUntil(() => wire.IsLevel, RequestLimit), "the two guests do not become level");
            Assert.Equal("", wire.Problems);
            Assert.True(wire.Rewritten > 0, "both guests chose the same initial sequence numbers");
        }
        finally
        {
            if (kept is null)
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    private static VirtMachine Boot(ReplicaWire.Port port)
    {
        var console = new ConsoleRecorder();
        var machine = new VirtMachine(DebianGuest.Options(console, port));
        machine.Start();
        console.WaitFor(DebianGuest.ReadyText, DebianGuest.BootLimit);
        return machine;
    }

    private static byte[] Get(NetworkNamespace network, ReplicaWire wire, string path)
    {
        try
        {
            return network.Run(() => DebianGuest.Get(path, RequestLimit));
        }
        catch (InvalidOperationException problem)
        {
            throw new InvalidOperationException($"{path}: {problem.Message}; {wire.Released} frames released; {wire.Problems}", problem);
        }
    }
}
