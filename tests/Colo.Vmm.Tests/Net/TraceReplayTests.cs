using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

/// <summary>
/// Frames of two real guests (Traces/README.md says how they were recorded) through comparer and rewriter: what the
/// client sent, and what the two Debian kernels sent before anybody had looked at it.
/// </summary>
public sealed class TraceReplayTests
{
    private const int BlobBytes = 12_000;

    private enum Source
    {
        Client,
        Primary,
        Secondary,
    }

    [Fact]
    public void Every_frame_of_the_primary_leaves_because_the_secondary_has_sent_the_same()
    {
        var replay = new Replay();
        replay.Run(Load());

        Assert.Equal("", replay.Problems);
        Assert.True(replay.Sent > 30, $"{replay.Sent} frames are no trace");
        Assert.Equal(replay.Sent, replay.Released.Count);
        Assert.All(replay.Released, released => Assert.Equal(ReleasePermit.Matched, released.Permit));
        Assert.True(replay.Rewriter.Rewritten > 0, "the two guests had the same initial sequence numbers");
        var streams = Streams(replay.Released.Select(released => released.Frame));
        Assert.Equal(3, streams.Count);
        Assert.Single(streams, stream => stream.EndsWith("\r\n\r\nhello from the guest\n", StringComparison.Ordinal));
        Assert.Equal(2, streams.Count(stream => stream.EndsWith("\r\n\r\n" + Blob(), StringComparison.Ordinal)));
        replay.End();
    }

    [Fact]
    public void One_changed_byte_of_the_secondary_is_found_and_nothing_of_that_connection_leaves_after_it()
    {
        var trace = Load();
        var victim = trace.First(step => step.Source == Source.Secondary && FrameView.Parse(step.Frame) is { PayloadLength: > 1000 });
        var view = FrameView.Parse(victim.Frame);
        victim.Frame[view.PayloadOffset + 500] ^= 1;
        var replay = new Replay();
        replay.Run(trace);

        Assert.Contains("checkpoint Mismatch", replay.Problems, StringComparison.Ordinal);
        Assert.True(replay.Released.Count < replay.Sent);
        // After the checkpoint the two guests are one again, and what was held leaves.
        replay.Commit();
        Assert.Equal(replay.Sent, replay.Released.Count);
        replay.End();
    }

    [Fact]
    public void Without_the_rewriter_the_guests_would_never_agree()
    {
        var replay = new Replay { Rewrites = false };
        replay.Run(Load());
        Assert.True(replay.Released.Count < replay.Sent);
        replay.Commit();
        replay.End();
    }

    private static List<(Source Source, TimeSpan Time, byte[] Frame)> Load()
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "Net", "Traces");
        return
        [
            .. Enum.GetValues<Source>().SelectMany(source => PcapFile.Read(Path.Combine(folder, $"{source.ToString().ToLowerInvariant()}.pcap"))
                .Select(record => (source, record.Time, record.Frame))).OrderBy(step => step.Time),
        ];
    }

    /// <summary>What the client's stack would hand to its program, a string for each connection.</summary>
    private static List<string> Streams(IEnumerable<byte[]> frames)
    {
        Dictionary<int, SortedDictionary<uint, byte>> connections = [];
        foreach (var frame in frames)
        {
            var view = FrameView.Parse(frame);
            if (view.Kind == FrameKind.Tcp && view.PayloadLength > 0)
            {
                var stream = connections.TryGetValue(view.DestinationPort, out var known) ? known : connections[view.DestinationPort] = [];
                for (var i = 0; i < view.PayloadLength; i++)
                {
                    stream[unchecked(view.Sequence.Value + (uint)i)] = frame[view.PayloadOffset + i];
                }
            }
        }
        return [.. connections.Values.Select(stream => string.Concat(stream.Values.Select(value => (char)value)))];
    }

    private static string Blob()
    {
        var text = string.Concat(Enumerable.Range(1, BlobBytes).Select(i => $"{i}\n"));
        return text[..BlobBytes];
    }

    private sealed class Replay : IReleaseSink
    {
        private readonly FramePool pool = new();
        private readonly PacketComparer comparer;
        private readonly List<string> problems = [];

        public Replay() => comparer = new PacketComparer(new ComparerOptions { CompareTimeout = TimeSpan.FromMinutes(10) }, pool, this);

        public bool Rewrites { get; init; } = true;

        public SequenceRewriter Rewriter { get; } = new();

        public int Sent { get; private set; }

        public List<(ReleasePermit Permit, byte[] Frame)> Released { get; } = [];

        public string Problems => string.Join("; ", problems);

        public void Run(IEnumerable<(Source Source, TimeSpan Time, byte[] Frame)> trace)
        {
            foreach (var (source, time, bytes) in trace)
            {
                if (source == Source.Client)
                {
                    Rewriter.ToGuest(bytes, time);
                    continue;
                }
                Assert.True(pool.TryCopy(bytes, FrameOwner.Reader, out var frame));
                if (source == Source.Primary)
                {
                    Sent++;
                    Assert.True(comparer.Primary(frame, default, time));
                    continue;
                }
                if (Rewrites)
                {
                    Rewriter.FromGuest(frame.Frame, time);
                }
                comparer.Secondary(frame, default, time);
            }
        }

        public void Commit()
        {
            comparer.CheckpointCaptured(new FrameEpoch(1));
            comparer.CheckpointCommitted(new FrameEpoch(1), default);
        }

        public void End()
        {
            comparer.StopReleasing();
            Assert.Equal(0, pool.OutstandingCount);
        }

        public bool TryRelease(PooledFrame frame, ReleasePermit permit)
        {
            Released.Add((permit, frame.Frame.ToArray()));
            return true;
        }

        public void Held(PooledFrame frame)
        {
        }

        public void Dropped(PooledFrame frame, ReplicaSide side, DropReason reason)
        {
        }

        public void RequestCheckpoint(CheckpointReason reason) => problems.Add($"checkpoint {reason}");

        public void Differ(in FrameDifference difference) => problems.Add(difference.Describe());
    }
}
