using System.Diagnostics;
using Colo.Vmm.Net;

namespace Colo.EndToEnd.Machine;

/// <summary>
/// Two guests with the same address behind one client, as in a pair between two checkpoints: both get what the client
/// sends, the secondary through the rewriter, and the client gets what the comparer releases. Everything that goes in
/// is recorded in the order in which it went in.
/// </summary>
internal sealed class ReplicaWire : IReleaseSink, IDisposable
{
    private readonly Lock gate = new();
    private readonly FramePool pool = new();
    private readonly SequenceRewriter rewriter = new();
    private readonly PacketComparer comparer;
    private readonly INetworkBackend client;
    private readonly Stopwatch clock = Stopwatch.StartNew();
    private readonly List<PcapWriter> records = [];
    private readonly List<FileStream> files = [];
    private readonly List<string> problems = [];
    private TimeSpan last;
    private long sent;
    private bool isOpen;

    public ReplicaWire(INetworkBackend client, string directory)
    {
        this.client = client;
        comparer = new PacketComparer(new ComparerOptions { CompareTimeout = TimeSpan.FromMinutes(10) }, pool, this);
        foreach (string name in (string[])["client", "primary", "secondary"])
        {
            files.Add(File.Create(Path.Combine(directory, name + ".pcap")));
            records.Add(new PcapWriter(files[^1]));
        }

        Primary = new Port(FromPrimary);
        Secondary = new Port(FromSecondary);
        client.Received = FromClient;
    }

    public Port Primary { get; }

    public Port Secondary { get; }

    public long Released { get; private set; }

    public long Rewritten => rewriter.Rewritten;

    /// <summary>What asked for a checkpoint, in words; empty while the two guests answer alike.</summary>
    public string Problems
    {
        get
        {
            lock (gate)
            {
                return string.Join("; ", problems);
            }
        }
    }

    /// <summary>Nothing of the primary waits: the secondary has answered all that it has.</summary>
    public bool IsLevel
    {
        get
        {
            lock (gate)
            {
                return Released == sent;
            }
        }
    }

    /// <summary>Both guests are up: from now on frames pass and are recorded.</summary>
    public void Open()
    {
        lock (gate)
        {
            isOpen = true;
        }
    }

    public bool TryRelease(PooledFrame frame, ReleasePermit permit)
    {
        Released++;
        client.Send(frame.Frame);
        return true;
    }

    public void Held(PooledFrame frame)
    {
    }

    public void Dropped(PooledFrame frame, ReplicaSide side, DropReason reason)
    {
    }

    public void RequestCheckpoint(CheckpointReason reason) => problems.Add($"checkpoint: {reason}");

    public void Differ(in FrameDifference difference) => problems.Add(difference.Describe());

    public void Dispose()
    {
        lock (gate)
        {
            isOpen = false;
            files.ForEach(file => file.Dispose());
        }
    }

    private void FromClient(ReadOnlySpan<byte> frame)
    {
        byte[] copy = frame.ToArray();
        lock (gate)
        {
            if (!isOpen)
            {
                return;
            }

            TimeSpan now = Record(0, frame);
            Primary.Deliver(frame);
            if (rewriter.ToGuest(copy, now) != RewriteResult.Withhold)
            {
                Secondary.Deliver(copy);
            }
        }
    }

    private void FromPrimary(ReadOnlySpan<byte> frame)
    {
        lock (gate)
        {
            if (isOpen && pool.TryCopy(frame, FrameOwner.Reader, out PooledFrame? copy))
            {
                sent++;
                comparer.Primary(copy, default, Record(1, frame));
            }
        }
    }

    private void FromSecondary(ReadOnlySpan<byte> frame)
    {
        lock (gate)
        {
            if (isOpen && pool.TryCopy(frame, FrameOwner.Reader, out PooledFrame? copy))
            {
                TimeSpan now = Record(2, frame);
                rewriter.FromGuest(copy.Frame, now);
                comparer.Secondary(copy, default, now);
            }
        }
    }

    // One clock for the three files, never twice the same: who replays them merges them by it.
    private TimeSpan Record(int file, ReadOnlySpan<byte> frame)
    {
        last = TimeSpan.FromTicks(Math.Max(clock.Elapsed.Ticks, last.Ticks + 1));
        records[file].Write(last, frame);
        return last;
    }

    /// <summary>The cable of one guest.</summary>
    internal sealed class Port(FrameHandler sent) : INetworkBackend
    {
        private volatile FrameHandler? received;

        public FrameHandler? Received
        {
            set => received = value;
        }

        public void Send(ReadOnlySpan<byte> frame) => sent(frame);

        public void Deliver(ReadOnlySpan<byte> frame) => received?.Invoke(frame);

        public void Dispose()
        {
        }
    }
}
