using System.Buffers.Binary;
using System.Diagnostics;
using Colo.Vmm.Net;
using Xunit.Abstractions;

namespace Colo.Vmm.Tests.Net;

/// <summary>
/// Two real Linux TCP stacks with the same server, the same addresses and different initial sequence numbers, a
/// real client, and the comparer and the rewriter between them. In the middle of the transfer the primary dies; the
/// client has to get every byte all the same.
/// </summary>
[Trait("Category", "e2e")]
public sealed class RealStackTests(ITestOutputHelper log)
{
    private const int SizeBytes = 32 << 20;
    private const string GuestMac = "52:54:00:00:00:01";
    private const string ClientMac = "52:54:00:00:00:02";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_client_reads_the_whole_disk_from_two_replicas(bool primaryDies)
    {
        using var wire = new Wire { TakeOverAfterBytes = primaryDies ? SizeBytes / 4 : long.MaxValue };
        var id = Environment.ProcessId % 100000;
        var target = Path.GetTempFileName();
        List<Process> processes = [];
        try
        {
            using var client = new TestTap($"cc{id}", "10.77.0.2", ClientMac, wire.FromClient);
            using var primary = new TestTap($"cp{id}", "10.77.0.1", GuestMac, wire.FromPrimary);
            using var secondary = new TestTap($"cs{id}", "10.77.0.1", GuestMac, wire.FromSecondary);
            wire.Client = client;
            wire.Secondary = secondary;
            wire.Primary = primary;
            foreach (var guest in (TestTap[])[primary, secondary])
            {
                TestTap.Ip($"-n {guest.Name} neigh replace 10.77.0.2 lladdr {ClientMac} nud permanent dev {guest.Name}");
                processes.Add(guest.Start($"nbdkit -f -t 1 --exit-with-parent -p 10809 pattern size={SizeBytes}"));
            }
            TestTap.Ip($"-n {client.Name} neigh replace 10.77.0.1 lladdr {GuestMac} nud permanent dev {client.Name}");
            WaitForServer(primary.Name);
            WaitForServer(secondary.Name);
            wire.IsOpen = true;
            var copy = client.Start($"nbdcopy --connections=2 --requests=1 nbd://10.77.0.1 {target}");
            processes.Add(copy);
            Assert.True(copy.WaitForExit(TimeSpan.FromSeconds(300)), $"nbdcopy hangs; {wire.Describe()}");
            log.WriteLine(wire.Describe());
            Assert.True(copy.ExitCode == 0, $"nbdcopy ended with {copy.ExitCode}; {wire.Describe()}");
            AssertPattern(File.ReadAllBytes(target));
            Assert.True(wire.Rewritten > 0, "the initial sequence numbers were equal");
            Assert.Equal(primaryDies, wire.HasTakenOver);
        }
        finally
        {
            foreach (var process in processes.Where(p => !p.HasExited))
            {
                process.Kill();
                process.WaitForExit();
            }
            File.Delete(target);
        }
    }

    // The pattern plugin fills a disk with the offset of each eight bytes.
    private static void AssertPattern(byte[] content)
    {
        Assert.Equal(SizeBytes, content.Length);
        for (var at = 0; at < content.Length; at += 8)
        {
            Assert.Equal((ulong)at, BinaryPrimitives.ReadUInt64BigEndian(content.AsSpan(at)));
        }
    }

    private static void WaitForServer(string name)
    {
        using var pause = new ManualResetEventSlim();
        for (var elapsed = Stopwatch.StartNew(); elapsed.Elapsed < TimeSpan.FromSeconds(60); pause.Wait(50))
        {
            using var probe = Process.Start(new ProcessStartInfo("ip", $"netns exec {name} nbdinfo nbd://127.0.0.1")
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            probe.StandardOutput.ReadToEnd();
            probe.WaitForExit();
            if (probe.ExitCode == 0)
            {
                return;
            }
        }
        Assert.Fail("nbdkit does not answer: install nbdkit and libnbd-bin");
    }

    private sealed class Wire : IReleaseSink, IDisposable
    {
        private readonly Lock gate = new();
        private readonly FramePool pool = new();
        private readonly PacketComparer comparer;
        private readonly SequenceRewriter rewriter = new();
        private readonly Stopwatch clock = Stopwatch.StartNew();
        private readonly List<string> differences = [];
        private long releasedBytes;
        private int requests;

        public Wire() => comparer = new PacketComparer(new ComparerOptions { CompareTimeout = TimeSpan.FromMinutes(5) }, pool, this);

        public TestTap? Client { get; set; }

        public TestTap? Primary { get; set; }

        public TestTap? Secondary { get; set; }

        public bool IsOpen { get; set; }

        public long TakeOverAfterBytes { get; init; }

        public bool HasTakenOver { get; private set; }

        public long Rewritten => rewriter.Rewritten;

        public void FromClient(ReadOnlySpan<byte> frame)
        {
            lock (gate)
            {
                if (!IsOpen)
                {
                    return;
                }
                if (!HasTakenOver)
                {
                    Primary!.Send(frame);
                }
                byte[] copy = [.. frame];
                if (rewriter.ToGuest(copy, clock.Elapsed) != RewriteResult.Withhold)
                {
                    Secondary!.Send(copy);
                }
            }
        }

        public void FromPrimary(ReadOnlySpan<byte> frame)
        {
            lock (gate)
            {
                if (IsOpen && !HasTakenOver && pool.TryCopy(frame, FrameOwner.Reader, out var pooled)
                    && !comparer.Primary(pooled, default, clock.Elapsed))
                {
                    pooled.Release();
                }
                if (!HasTakenOver && releasedBytes > TakeOverAfterBytes)
                {
                    HasTakenOver = true;
                    comparer.StopReleasing();
                    rewriter.Promote();
                }
            }
        }

        public void FromSecondary(ReadOnlySpan<byte> frame)
        {
            lock (gate)
            {
                if (!IsOpen)
                {
                    return;
                }
                byte[] copy = [.. frame];
                rewriter.FromGuest(copy, clock.Elapsed);
                if (HasTakenOver)
                {
                    Client!.Send(copy);
                }
                else if (pool.TryCopy(copy, FrameOwner.Reader, out var pooled))
                {
                    comparer.Secondary(pooled, default, clock.Elapsed);
                }
            }
        }

        public bool TryRelease(PooledFrame frame, ReleasePermit permit)
        {
            releasedBytes += frame.Length;
            Client!.Send(frame.Frame);
            return true;
        }

        public void RequestCheckpoint(CheckpointReason reason) => requests++;

        public void Differ(in FrameDifference difference) => differences.Add(difference.Describe());

        public string Describe()
        {
            lock (gate)
            {
                var counters = comparer.Counters;
                return $"primary {counters.PrimaryFrames}, secondary {counters.SecondaryFrames}, matched "
                    + $"{counters.Released(ReleasePermit.Matched)}, rewritten {rewriter.Rewritten}, requests {requests}, differences "
                    + $"{string.Join(" | ", differences)}, taken over {HasTakenOver}, waiting {comparer.DescribeWaiting()}";
            }
        }

        public void Dispose()
        {
            lock (gate)
            {
                IsOpen = false;
                comparer.StopReleasing();
            }
        }
    }
}
