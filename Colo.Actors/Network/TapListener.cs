using System.Threading.Channels;

namespace Colo.Actors.Network;

/// <summary>One who listens to a <see cref="PacketTap"/>.</summary>
public sealed class TapListener : IDisposable
{
    private readonly PacketTap tap;
    private readonly bool mismatchesOnly;
    private readonly Channel<TapEntry> entries = Channel.CreateBounded<TapEntry>(
        new BoundedChannelOptions(PacketTap.BacklogMax)
        {
            FullMode = BoundedChannelFullMode.Wait, SingleReader = true,
        });

    private long missed;

    internal TapListener(PacketTap tap, bool mismatchesOnly)
    {
        this.tap = tap;
        this.mismatchesOnly = mismatchesOnly;
    }

    /// <summary>Entries that did not fit, since the start.</summary>
    public long Missed => Interlocked.Read(ref missed);

    /// <summary>What comes, in order, without end.</summary>
    public ChannelReader<TapEntry> Entries => entries.Reader;

    public void Dispose() => tap.Leave(this);

    internal void Offer(TapEntry entry)
    {
        if (mismatchesOnly && entry.Word is (TapWord.Released or TapWord.Held))
        {
            return;
        }

        // The comparer does not wait for anybody.
        if (!entries.Writer.TryWrite(entry))
        {
            Interlocked.Increment(ref missed);
        }
    }
}
