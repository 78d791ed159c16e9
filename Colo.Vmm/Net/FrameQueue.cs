namespace Colo.Vmm.Net;

/// <summary>An intrusive doubly linked list of frames: first in, first out, with removal and ordered insertion in
/// the middle.</summary>
internal sealed class FrameQueue
{
    public PooledFrame? First { get; private set; }

    public PooledFrame? Last { get; private set; }

    public int Count { get; private set; }

    public void Append(PooledFrame frame) => InsertAfter(Last, frame);

    /// <summary>Inserts behind <paramref name="position"/>, or at the front when that is null.</summary>
    public void InsertAfter(PooledFrame? position, PooledFrame frame)
    {
        frame.Previous = position;
        frame.Next = position is null ? First : position.Next;
        if (frame.Next is null)
        {
            Last = frame;
        }
        else
        {
            frame.Next.Previous = frame;
        }
        if (position is null)
        {
            First = frame;
        }
        else
        {
            position.Next = frame;
        }
        Count++;
    }

    public void Remove(PooledFrame frame)
    {
        if (frame.Previous is null)
        {
            First = frame.Next;
        }
        else
        {
            frame.Previous.Next = frame.Next;
        }
        if (frame.Next is null)
        {
            Last = frame.Previous;
        }
        else
        {
            frame.Next.Previous = frame.Previous;
        }
        frame.Next = null;
        frame.Previous = null;
        Count--;
    }
}
