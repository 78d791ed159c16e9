using Colo.Vmm.Net;

namespace Colo.Actors.Network;

/// <summary>
/// What a guest's comparers decide, for whoever listens now, and their last mismatches for whoever asks later. While
/// nobody listens a released or held frame costs one read of a field; a mismatch, of which there is at most one for
/// each connection and checkpoint, is always kept. A listener that does not keep up loses the newest entries, and is
/// told how many.
/// <para>Called by the comparers under their network's lock; listeners on any thread.</para>
/// </summary>
public sealed class PacketTap(TimeProvider time)
{
    /// <summary>Mismatches that are kept.</summary>
    public const int MismatchesMax = 64;

    /// <summary>Entries on their way to one listener.</summary>
    public const int BacklogMax = 4096;

    private const int ExcerptBytes = 64;

    private readonly Lock gate = new();
    private readonly Queue<TapEntry> mismatches = new();
    private volatile TapListener[] listeners = [];
    private long lastId;

    /// <summary>Whether anybody listens.</summary>
    public bool IsHeard => listeners.Length > 0;

    /// <summary>The last mismatches, newest first.</summary>
    public IReadOnlyList<TapEntry> Mismatches
    {
        get
        {
            lock (gate)
            {
                return [.. mismatches.Reverse()];
            }
        }
    }

    /// <summary>Listens until the result is disposed of.</summary>
    /// <param name="mismatchesOnly">Only mismatches and the checkpoints that were asked for.</param>
    public TapListener Listen(bool mismatchesOnly)
    {
        var listener = new TapListener(this, mismatchesOnly);
        lock (gate)
        {
            listeners = [.. listeners, listener];
        }

        return listener;
    }

    public void Released(int nic, PooledFrame frame, ReleasePermit permit)
    {
        if (IsHeard)
        {
            Publish(Of(nic, frame, TapWord.Released, permit switch
            {
                ReleasePermit.Matched => TapReason.Matched,
                ReleasePermit.Committed => TapReason.Committed,
                ReleasePermit.PassThrough => TapReason.PassThrough,
                _ => TapReason.Solo,
            }));
        }
    }

    public void Held(int nic, PooledFrame frame, FrameEpoch committed)
    {
        if (IsHeard)
        {
            TapReason reason = frame.Epoch > committed ? TapReason.AwaitsCommit : TapReason.AwaitsSecondary;
            Publish(Of(nic, frame, TapWord.Held, reason));
        }
    }

    public void Differed(int nic, in FrameDifference difference)
    {
        (byte[] primary, byte[] secondary) = difference.Excerpt(ExcerptBytes);
        bool hasBytes = difference.Kind is DifferenceKind.Payload or DifferenceKind.EndOfStream;
        var entry = new TapEntry(
            Interlocked.Increment(ref lastId), time.GetUtcNow(), nic, TapWord.Mismatch, difference.Kind switch
            {
                DifferenceKind.Payload => TapReason.Payload,
                DifferenceKind.Length => TapReason.Length,
                DifferenceKind.EndOfStream => TapReason.EndOfStream,
                _ => TapReason.SynOptions,
            },
            TextOf(difference.Connection), difference.Primary.Frame.Length, difference.Primary.Epoch.Number)
        {
            Offset = hasBytes ? difference.StreamOffset : null,
            PrimaryByte = hasBytes && difference.PrimaryByte >= 0 ? difference.PrimaryByte : null,
            SecondaryByte = hasBytes && difference.SecondaryByte >= 0 ? difference.SecondaryByte : null,
            PrimaryPayload = Convert.ToHexStringLower(primary),
            SecondaryPayload = Convert.ToHexStringLower(secondary),
        };
        Keep(entry);
    }

    public void Overdue(int nic, in ConnectionKey connection, FrameEpoch committed) => Keep(new TapEntry(
        Interlocked.Increment(ref lastId), time.GetUtcNow(), nic, TapWord.Mismatch, TapReason.Timeout,
        TextOf(connection), 0, committed.Number));

    public void CheckpointAsked(int nic, CheckpointReason reason, FrameEpoch committed)
    {
        if (IsHeard)
        {
            Publish(new TapEntry(
                Interlocked.Increment(ref lastId), time.GetUtcNow(), nic, TapWord.CheckpointAsked, reason switch
                {
                    CheckpointReason.Timeout => TapReason.Timeout,
                    CheckpointReason.Overflow => TapReason.Overflow,
                    CheckpointReason.Abandoned => TapReason.Abandoned,
                    _ => TapReason.Mismatch,
                },
                string.Empty, 0, committed.Number));
        }
    }

    /// <summary>A flow as operators read it: class, source and destination.</summary>
    public static string TextOf(in ConnectionKey connection) => connection.Class switch
    {
        FlowClass.Opaque => $"opaque {connection.SourcePort:x4}",
        FlowClass.Tcp => $"tcp {End(connection.SourceAddress(), connection.SourcePort)} -> "
            + End(connection.DestinationAddress(), connection.DestinationPort),
        FlowClass.Datagram when connection.Protocol == 17 =>
            $"udp {End(connection.SourceAddress(), connection.SourcePort)} -> "
            + End(connection.DestinationAddress(), connection.DestinationPort),
        FlowClass.Neighbour => $"neighbour {connection.SourceAddress()} -> {connection.DestinationAddress()}",
        _ => $"ip {connection.Protocol} {connection.SourceAddress()} -> {connection.DestinationAddress()}",
    };

    internal void Leave(TapListener listener)
    {
        lock (gate)
        {
            listeners = [.. listeners.Where(other => other != listener)];
        }
    }

    private static string End(System.Net.IPAddress address, int port) =>
        new System.Net.IPEndPoint(address, port).ToString();

    private TapEntry Of(int nic, PooledFrame frame, TapWord word, TapReason reason) => new(
        Interlocked.Increment(ref lastId), time.GetUtcNow(), nic, word, reason,
        TextOf(ConnectionKey.Of(FrameView.Parse(frame.Frame))), frame.Frame.Length, frame.Epoch.Number);

    private void Keep(TapEntry entry)
    {
        lock (gate)
        {
            mismatches.Enqueue(entry);
            if (mismatches.Count > MismatchesMax)
            {
                mismatches.Dequeue();
            }
        }

        Publish(entry);
    }

    private void Publish(TapEntry entry)
    {
        foreach (TapListener listener in listeners)
        {
            listener.Offer(entry);
        }
    }
}
