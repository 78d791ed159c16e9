using System.Buffers.Binary;

namespace Colo.Vmm.Net;

/// <summary>
/// Collects the fragments of one replica's datagrams and makes a whole one, so that it is compared as a whole and
/// its fragments leave together (QEMU reads the middle of a datagram as ports). Overlapping, endless or oversized
/// datagrams are never completed: they wait for a commit, as everything that is not understood. Sources: RFC 791
/// section 3.2, RFC 8200 section 4.5, RFC 5722 (overlaps).
/// </summary>
internal sealed class FragmentAssembler
{
    private const int DatagramsMax = 64;
    private const int FragmentsMax = 64;
    private readonly FramePool pool;
    private readonly List<Datagram> datagrams = [];
    private readonly Stack<Datagram> spare = new();

    public FragmentAssembler(FramePool pool) => this.pool = pool;

    public bool IsEmpty => datagrams.Count == 0;

    /// <summary>
    /// Takes a fragment. False when there is no room to remember it: the caller keeps it. <paramref name="whole"/>
    /// is the reassembled frame when this fragment was the last missing; its chain owns the fragments.
    /// </summary>
    public bool TryAdd(PooledFrame frame, in FrameView view, out PooledFrame? whole)
    {
        whole = null;
        var key = ConnectionKey.OfFragment(view);
        var datagram = Find(key, frame.Epoch);
        if (datagram is null)
        {
            if (datagrams.Count == DatagramsMax)
            {
                return false;
            }
            datagram = spare.TryPop(out var used) ? used : new Datagram();
            datagram.Begin(key, frame.Epoch, frame.Arrival);
            datagrams.Add(datagram);
        }
        if (datagram.Fragments.Count == FragmentsMax)
        {
            datagram.IsBroken = true;
            return false;
        }
        datagram.Add(frame, view);
        if (datagram.IsComplete && TryAssemble(datagram, out whole))
        {
            datagrams.Remove(datagram);
            whole.Fragments = datagram.TakeChain();
            spare.Push(datagram);
        }
        return true;
    }

    /// <summary>Whether anything of <paramref name="epoch"/> has waited since before <paramref
    /// name="deadline"/>.</summary>
    public bool HasOlderThan(TimeSpan deadline, FrameEpoch epoch)
    {
        foreach (var datagram in datagrams)
        {
            if (datagram.Epoch == epoch && datagram.Begun < deadline)
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>Gives the oldest fragment of a datagram for which no more can be hoped; null when there is
    /// none.</summary>
    public PooledFrame? PeekOlderThan(FrameEpoch epoch, bool all)
    {
        foreach (var datagram in datagrams)
        {
            if (all || datagram.Epoch < epoch)
            {
                return datagram.Fragments.First;
            }
        }
        return null;
    }

    /// <summary>Takes out the fragment that <see cref="PeekOlderThan"/> returned.</summary>
    public void Remove(PooledFrame frame)
    {
        for (var i = 0; i < datagrams.Count; i++)
        {
            var datagram = datagrams[i];
            if (datagram.Fragments.First == frame)
            {
                datagram.Fragments.Remove(frame);
                datagram.IsBroken = true;
                if (datagram.Fragments.Count == 0)
                {
                    datagrams.RemoveAt(i);
                    spare.Push(datagram);
                }
                return;
            }
        }
    }

    private Datagram? Find(in ConnectionKey key, FrameEpoch epoch)
    {
        foreach (var datagram in datagrams)
        {
            if (datagram.Key == key && datagram.Epoch == epoch)
            {
                return datagram;
            }
        }
        return null;
    }

    private bool TryAssemble(Datagram datagram, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out PooledFrame? whole)
    {
        whole = null;
        var first = datagram.Fragments.First;
        while (first is not null && FrameView.Parse(first.Frame).FragmentOffset != 0)
        {
            first = first.Next;
        }
        if (first is null)
        {
            return false;
        }
        var view = FrameView.Parse(first.Frame);
        var headerEnd = view.IpVersion == 4 ? view.TransportOffset : view.FragmentHeaderOffset;
        var ipLength = headerEnd - view.NetworkOffset + datagram.TotalLength;
        if (ipLength > ushort.MaxValue || !pool.TryRent(headerEnd + datagram.TotalLength, FrameOwner.Comparer, out whole))
        {
            datagram.IsBroken = true;
            return false;
        }
        var target = whole.Bytes;
        first.Frame[..headerEnd].CopyTo(target);
        var ip = target[view.NetworkOffset..];
        if (view.IpVersion == 4)
        {
            BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)ipLength);
            ip[6..8].Clear();
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(ip[4..], (ushort)(ipLength - 40));
            target[view.PrecedingNextHeaderOffset] = first.Frame[view.FragmentHeaderOffset];
        }
        for (var fragment = datagram.Fragments.First; fragment is not null; fragment = fragment.Next)
        {
            var part = FrameView.Parse(fragment.Frame);
            var data = fragment.Frame[DataOffset(part)..part.End];
            data.CopyTo(target[(headerEnd + part.FragmentOffset)..]);
        }
        whole.Epoch = datagram.Epoch;
        whole.Arrival = datagram.Begun;
        return true;
    }

    private static int DataOffset(in FrameView view) =>
        view.IpVersion == 4 ? view.TransportOffset : view.FragmentHeaderOffset + 8;

    private sealed class Datagram
    {
        private int received;
        private int highestEnd;

        public ConnectionKey Key { get; private set; }

        public FrameEpoch Epoch { get; private set; }

        public TimeSpan Begun { get; private set; }

        public FrameQueue Fragments { get; } = new();

        /// <summary>Known from the last fragment; -1 until then.</summary>
        public int TotalLength { get; private set; }

        public bool IsBroken { get; set; }

        public bool IsComplete => !IsBroken && TotalLength == received;

        public void Begin(in ConnectionKey key, FrameEpoch epoch, TimeSpan now)
        {
            Key = key;
            Epoch = epoch;
            Begun = now;
            TotalLength = -1;
            received = 0;
            highestEnd = 0;
            IsBroken = false;
        }

        public void Add(PooledFrame frame, in FrameView view)
        {
            var start = view.FragmentOffset;
            var length = view.End - DataOffset(view);
            for (var other = Fragments.First; other is not null; other = other.Next)
            {
                IsBroken |= start < other.PayloadOffset + other.PayloadLength && other.PayloadOffset < start + length;
            }
            if (!view.MoreFragments)
            {
                IsBroken |= TotalLength >= 0;
                TotalLength = start + length;
            }
            else
            {
                IsBroken |= length == 0 || length % 8 != 0;
            }
            // Without overlap and beyond-the-end parts, the lengths add up to the total only when there is no gap.
            highestEnd = Math.Max(highestEnd, start + length);
            IsBroken |= TotalLength >= 0 && highestEnd > TotalLength;
            frame.PayloadOffset = start;
            frame.PayloadLength = length;
            received += length;
            Fragments.Append(frame);
        }

        public PooledFrame? TakeChain()
        {
            PooledFrame? chain = null;
            while (Fragments.Last is { } last)
            {
                Fragments.Remove(last);
                last.Next = chain;
                chain = last;
            }
            return chain;
        }
    }
}
