using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

/// <summary>What a run of <see cref="PairModel"/> does besides TCP; all drawn from the seed.</summary>
internal sealed record PairOptions(
    int Seed, double Loss, double GuestLoss, bool HasFreeBytes, bool Ipv6, int Connections, int StreamLength, int? TakeoverAt, double Checkpoints);

/// <summary>
/// A client, a primary and a secondary guest, the comparer and the rewriter between them, lossy and reordering
/// links, checkpoints in their steps, and one takeover. One step is a millisecond.
/// </summary>
internal sealed class PairModel : IReleaseSink
{
    private readonly PairOptions options;
    private readonly Random random;
    private readonly ModelHost client;
    private readonly ModelHost primary;
    private readonly ModelHost secondary;
    private readonly FramePool pool = new();
    private readonly PacketComparer comparer;
    private readonly SequenceRewriter rewriter = new();
    private readonly List<(int Due, byte[] Frame)> toEdge = [];
    private readonly List<(int Due, byte[] Frame)> toClient = [];
    private readonly Queue<(int Due, byte[] Frame, FrameEpoch Epoch)> toSecondary = new();
    private readonly Queue<(int Due, byte[] Frame, FrameEpoch Epoch)> answers = new();
    private FrameEpoch primaryEpoch;
    private FrameEpoch secondaryEpoch;
    private ModelHost? image;
    private int loadAt;
    private int commitKnownAt = -1;
    private bool isRequested;
    private bool isTakenOver;
    private bool isSecondaryPaused;
    private int now = 1000;

    public PairModel(PairOptions options)
    {
        this.options = options;
        random = new Random(options.Seed);
        client = Host(false, 1);
        primary = Host(true, 2);
        secondary = Host(true, 3);
        comparer = new PacketComparer(new ComparerOptions(), pool, this);
    }

    /// <summary>Why each checkpoint was asked for.</summary>
    public List<string> Requests { get; } = [];

    public int Checkpoints { get; private set; }

    public int Released { get; private set; }

    public long Rewritten => rewriter.Rewritten;

    /// <summary>Segments that a handshake of a guest refused because of the timestamp that they echo.</summary>
    public int RefusedEchoes => primary.Connections.Concat(secondary.Connections).Sum(c => c.RefusedEchoes);

    private TimeSpan Time => TimeSpan.FromMilliseconds(now);

    private ModelHost Host(bool isGuest, int salt) => new(
        isGuest, unchecked((options.Seed * 31) + salt), options.HasFreeBytes, options.Ipv6, options.StreamLength);

    /// <summary>Runs until every stream is through; the text says what went wrong.</summary>
    public string? Run(int stepsMax)
    {
        for (var i = 0; i < options.Connections; i++)
        {
            client.Open(4000 + i, 80);
        }
        for (var step = 0; step < stepsMax; step++, now++)
        {
            Step(step);
            var failure = client.Failure ?? (isTakenOver ? null : primary.Failure is { } p ? "primary: " + p : null)
                ?? (secondary.Failure is { } s ? "secondary: " + s : null);
            if (failure is not null)
            {
                return $"step {step}: {failure}";
            }
            if (client.Connections.Count() == 2 * options.Connections && client.Connections.All(c => c.IsFinished))
            {
                return Finish();
            }
        }
        return $"not finished after {stepsMax} steps: " + string.Join("; ", client.Connections.Select(c =>
            $"{c.LocalPort}: acked {c.Acked}/{c.Written.Count} read {c.Read.Count} syn {c.IsSynReceived}/{c.IsSynAcked}"))
            + $"; held {pool.OutstandingCount}, requested {isRequested}, image {image is not null}, checkpoints {Checkpoints}";
    }

    public bool TryRelease(PooledFrame frame, ReleasePermit permit)
    {
        if (random.Next(50) == 0)
        {
            return false;
        }
        Released++;
        ToClient(frame.Frame.ToArray());
        return true;
    }

    public void RequestCheckpoint(CheckpointReason reason)
    {
        if (isRequested)
        {
            throw new InvalidOperationException("asked for a second checkpoint before the first was captured");
        }
        isRequested = true;
        Requests.Add($"step {now - 1000}: {reason}; {comparer.DescribeWaiting()}");
    }

    public void Differ(in FrameDifference difference) => Requests.Add(difference.Describe());

    private string? Finish()
    {
        comparer.StopReleasing();
        return pool.OutstandingCount == 0 ? null : "leaked buffers: " + pool.DescribeOutstanding();
    }

    private void Step(int step)
    {
        client.Run(now, frame => Link(toEdge, frame));
        Deliver(toEdge, FromClient);
        Deliver(toClient, frame => client.Receive(frame, now));
        if (step == options.TakeoverAt)
        {
            TakeOver();
        }
        if (!isTakenOver)
        {
            primary.Run(now, FromPrimary);
            Checkpoint();
            comparer.OutputReady();
            if (step % 20 == 0)
            {
                comparer.Tick(Time);
            }
        }
        while (!isSecondaryPaused && toSecondary.TryPeek(out var input) && input.Due <= now)
        {
            toSecondary.Dequeue();
            ToSecondaryGuest(input.Frame);
        }
        if (!isSecondaryPaused)
        {
            secondary.Run(now, FromSecondary);
        }
        while (!isTakenOver && answers.TryPeek(out var answer) && answer.Due <= now)
        {
            answers.Dequeue();
            comparer.Secondary(Rent(answer.Frame), answer.Epoch, Time);
        }
    }

    private void FromClient(byte[] frame)
    {
        if (!isTakenOver && random.NextDouble() >= options.GuestLoss)
        {
            primary.Arrive(frame);
        }
        toSecondary.Enqueue((now + random.Next(4), [.. frame], primaryEpoch));
    }

    private void ToSecondaryGuest(byte[] frame)
    {
        var result = rewriter.ToGuest(frame, Time);
        if (result != RewriteResult.Withhold && random.NextDouble() >= options.GuestLoss)
        {
            secondary.Arrive(frame);
        }
    }

    private void FromPrimary(byte[] frame)
    {
        // Now and then the guest's own queue drops a frame before anybody sees it.
        if (random.NextDouble() >= options.GuestLoss)
        {
            Assert.True(comparer.Primary(Rent(frame), primaryEpoch, Time));
        }
    }

    private void FromSecondary(byte[] frame)
    {
        rewriter.FromGuest(frame, Time);
        if (isTakenOver)
        {
            ToClient(frame);
        }
        else if (random.NextDouble() >= options.GuestLoss)
        {
            answers.Enqueue((now + 1, frame, secondaryEpoch));
        }
    }

    private void Checkpoint()
    {
        if (commitKnownAt == now)
        {
            comparer.CheckpointCommitted(primaryEpoch, Time);
            commitKnownAt = -1;
        }
        if (image is null && commitKnownAt < 0 && (isRequested || random.NextDouble() < options.Checkpoints))
        {
            Checkpoints++;
            isRequested = false;
            isSecondaryPaused = true;
            image = Host(true, 4);
            image.Load(primary);
            primaryEpoch = primaryEpoch.Next;
            comparer.CheckpointCaptured(primaryEpoch);
            loadAt = now + random.Next(1, 30);
        }
        else if (image is not null && now >= loadAt)
        {
            LoadImage();
            commitKnownAt = now + random.Next(1, 10);
        }
    }

    private void LoadImage()
    {
        secondary.Load(image!);
        image = null;
        secondaryEpoch = primaryEpoch;
        rewriter.CheckpointLoaded();
        // What the primary received before the capture is in the image.
        while (toSecondary.TryPeek(out var old) && old.Epoch < primaryEpoch)
        {
            toSecondary.Dequeue();
        }
        isSecondaryPaused = false;
    }

    private void TakeOver()
    {
        isTakenOver = true;
        if (image is not null && random.Next(2) == 0)
        {
            // Everything had arrived: the secondary only rolls forward.
            LoadImage();
        }
        isSecondaryPaused = false;
        rewriter.Promote();
        comparer.StopReleasing();
    }

    private PooledFrame Rent(byte[] frame)
    {
        Assert.True(pool.TryCopy(frame, FrameOwner.Reader, out var pooled));
        return pooled;
    }

    private void ToClient(byte[] frame) => Link(toClient, frame);

    private void Link(List<(int Due, byte[] Frame)> link, byte[] frame)
    {
        if (random.NextDouble() >= options.Loss)
        {
            link.Add((now + 1 + (random.Next(10) == 0 ? random.Next(12) : 1), frame));
        }
    }

    private void Deliver(List<(int Due, byte[] Frame)> link, Action<byte[]> receive)
    {
        for (var i = 0; i < link.Count; i++)
        {
            if (link[i].Due <= now)
            {
                var frame = link[i].Frame;
                link.RemoveAt(i--);
                receive(frame);
            }
        }
    }
}
