using System.Runtime.InteropServices;
using Akka.Actor;

namespace Akka.Dispatch.MessageQueues;

/// <summary>
/// A bounded ring for many producers and one consumer. A producer first claims a position by moving the tail (an
/// interlocked operation, so everybody who looks at the tail afterwards knows that a message is coming) and then fills
/// the slot; the consumer takes a slot once its message is there. A message is never null, so it doubles as the
/// "filled" mark.
/// </summary>
internal sealed class MessageRing
{
    // Set in the tail when the ring is full for good. Positions are 63 bits and never wrap.
    private const long Closed = long.MinValue;

    private readonly Slot[] _slots;
    private readonly int _mask;
    private MessageRing _next;
    private Positions _positions;

    public MessageRing(int capacity)
    {
        _slots = new Slot[capacity];
        _mask = capacity - 1;
    }

    public int Capacity => _slots.Length;

    public MessageRing Next => Volatile.Read(ref _next);

    public bool IsEmpty => (Volatile.Read(ref _positions.Tail) & ~Closed) == Volatile.Read(ref _positions.Head);

    public int Count => (int)Math.Max(
        0, (Volatile.Read(ref _positions.Tail) & ~Closed) - Volatile.Read(ref _positions.Head));

    /// <summary>False when the ring is full or closed.</summary>
    public bool TryEnqueue(object message, IActorRef sender)
    {
        var tail = Volatile.Read(ref _positions.Tail);
        while (true)
        {
            if (tail < 0)
            {
                return false;
            }

            if (tail - _positions.HeadSeen > _mask)
            {
                // An old value only makes the ring look fuller than it is, so producers may overwrite one another here.
                _positions.HeadSeen = Volatile.Read(ref _positions.Head);
                if (tail - _positions.HeadSeen > _mask)
                {
                    return false;
                }
            }

            var seen = Interlocked.CompareExchange(ref _positions.Tail, tail + 1, tail);
            if (seen == tail)
            {
                ref var slot = ref _slots[tail & _mask];
                slot.Sender = sender;
                Volatile.Write(ref slot.Message, message);
                return true;
            }

            tail = seen;
        }
    }

    /// <summary>Consumer only. False when nothing is there, or nothing more will come.</summary>
    public bool TryDequeue(out Envelope envelope)
    {
        var head = _positions.Head;
        ref var slot = ref _slots[head & _mask];
        var message = Volatile.Read(ref slot.Message);
        if (message is null)
        {
            if (IsEmpty)
            {
                envelope = default;
                return false;
            }

            message = AwaitFilled(ref slot);
        }

        envelope = new Envelope(message, slot.Sender);
        slot.Sender = null;
        slot.Message = null;
        Volatile.Write(ref _positions.Head, head + 1);
        return true;
    }

    /// <summary>Closed first: whoever sees <see cref="Next"/> knows that nothing more comes into this ring.</summary>
    public void CloseAndLink(MessageRing next)
    {
        Interlocked.Or(ref _positions.Tail, Closed);
        Volatile.Write(ref _next, next);
    }

    /// <summary>A producer has claimed the slot and is about to fill it.</summary>
    private static object AwaitFilled(ref Slot slot)
    {
        var spinner = default(SpinWait);
        while (true)
        {
            var message = Volatile.Read(ref slot.Message);
            if (message is not null)
            {
                return message;
            }

            spinner.SpinOnce();
        }
    }

    private struct Slot
    {
        public object Message;
        public IActorRef Sender;
    }

    /// <summary>What producers write and what the consumer writes, a cache line apart.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 72)]
    private struct Positions
    {
        [FieldOffset(0)]
        public long Tail;

        [FieldOffset(8)]
        public long HeadSeen;

        [FieldOffset(64)]
        public long Head;
    }
}
