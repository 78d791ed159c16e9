using System.Buffers.Binary;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Devices.Virtio;

/// <summary>
/// The device's side of a split virtqueue (virtio 1.2, section 2.7). Ring and descriptors belong to the guest and may
/// say anything: every index is reduced or checked, every address is checked against RAM, and a chain is followed for
/// at most
/// <see cref="ChainLimit"/> descriptors, so that a loop ends. The device keeps its own copies of how far it has come
/// and never reads them back from the ring.
/// </summary>
internal sealed class Virtqueue(GuestRam ram)
{
    /// <summary>Largest ring that the device offers.</summary>
    public const ushort SizeMax = 256;

    /// <summary>Longest chain, indirect descriptors counted singly. Linux stays below 130; QEMU's limit is the
    /// same.</summary>
    public const int ChainLimit = 1024;

    private const int DescriptorSize = 16;
    private const ushort FlagNext = 1;
    private const ushort FlagWrite = 2;
    private const ushort FlagIndirect = 4;

    private ushort _signalledUsed;

    /// <summary>The driver's index as <see cref="TryPop"/> last read it.</summary>
    private ushort _seenAvailable;

    public ushort Size { get; set; } = SizeMax;

    public bool Ready { get; private set; }

    public ulong DescriptorTable { get; set; }

    public ulong AvailableRing { get; set; }

    public ulong UsedRing { get; set; }

    /// <summary>The next entry of the available ring that the device will take; free-running.</summary>
    public ushort NextAvailable { get; private set; }

    /// <summary>The device's copy of the used ring's index; free-running.</summary>
    public ushort NextUsed { get; private set; }

    public bool UseEventIndex { get; set; }

    public bool UseIndirect { get; set; }

    /// <summary>What was wrong when <see cref="TryPop"/> said <see cref="PopResult.Broken"/>.</summary>
    public string Fault { get; private set; } = "";

    public void Reset()
    {
        Size = SizeMax;
        Ready = false;
        DescriptorTable = AvailableRing = UsedRing = 0;
        NextAvailable = NextUsed = 0;
        _signalledUsed = _seenAvailable = 0;
        UseEventIndex = UseIndirect = false;
        Fault = "";
    }

    /// <summary>Takes the ring into use; false when its size, alignment or place is impossible.</summary>
    public bool TryEnable()
    {
        if (!IsLayoutValid(ram, Size, DescriptorTable, AvailableRing, UsedRing))
        {
            Fault = $"ring of {Size} at 0x{DescriptorTable:x}, 0x{AvailableRing:x}, 0x{UsedRing:x} is not a valid layout in RAM";
            return false;
        }

        Ready = true;
        return true;
    }

    public void Disable() => Ready = false;

    public PopResult TryPop(DescriptorChain chain)
    {
        if (!Ready)
        {
            return PopResult.Empty;
        }

        if (!ram.TryReadUInt16(AvailableRing + 2, out ushort available))
        {
            return Broken("available ring is not in RAM");
        }

        _seenAvailable = available;
        ushort waiting = unchecked((ushort)(available - NextAvailable));
        if (waiting == 0)
        {
            return PopResult.Empty;
        }

        if (waiting > Size)
        {
            return Broken($"available index {available} is more than {Size} ahead of {NextAvailable}");
        }

        ulong slot = AvailableRing + 4 + ((ulong)(NextAvailable & (Size - 1)) * 2);
        if (!ram.TryReadUInt16(slot, out ushort head) || head >= Size)
        {
            return Broken($"available ring names descriptor {head} of {Size}");
        }

        chain.Begin(head);
        PopResult result = Follow(chain, DescriptorTable, Size, head, insideIndirect: false);
        if (result == PopResult.Chain)
        {
            NextAvailable = unchecked((ushort)(NextAvailable + 1));
        }

        return result;
    }

    /// <summary>Takes the last <paramref name="count"/> pops back; nothing of them may have been published.</summary>
    public void UndoPops(int count) => NextAvailable = unchecked((ushort)(NextAvailable - count));

    /// <summary>
    /// Writes a used element <paramref name="ahead"/> places beyond the published index; it becomes visible with
    /// <see cref="Publish"/>. False when the ring is not in RAM.
    /// </summary>
    public bool TryStage(int ahead, ushort head, uint written)
    {
        ulong slot = UsedRing + 4 + ((ulong)((NextUsed + ahead) & (Size - 1)) * 8);
        Span<byte> element = stackalloc byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(element, head);
        BinaryPrimitives.WriteUInt32LittleEndian(element[4..], written);
        return ram.TryWrite(slot, element);
    }

    /// <summary>Makes <paramref name="count"/> staged elements visible to the driver.</summary>
    public void Publish(int count)
    {
        NextUsed = unchecked((ushort)(NextUsed + count));
        ram.TryWriteUInt16(UsedRing + 2, NextUsed);
    }

    /// <summary>One finished chain: stage and publish.</summary>
    public void Push(ushort head, uint written)
    {
        if (TryStage(0, head, written))
        {
            Publish(1);
        }
    }

    /// <summary>Whether the driver wants an interrupt for what was published since the last call (sections 2.7.7,
    /// 2.7.10).</summary>
    public bool TakeSignal()
    {
        ushort old = _signalledUsed;
        if (old == NextUsed)
        {
            return false;
        }

        _signalledUsed = NextUsed;

        // The index before the look at what the driver wants: on another hart it says so and then looks at the index.
        Interlocked.MemoryBarrier();
        if (UseEventIndex)
        {
            return !ram.TryReadUInt16(AvailableRing + 4 + ((ulong)Size * 2), out ushort usedEvent)
                || unchecked((ushort)(NextUsed - usedEvent - 1) < (ushort)(NextUsed - old));
        }

        const ushort NoInterrupt = 1;
        return !ram.TryReadUInt16(AvailableRing, out ushort flags) || (flags & NoInterrupt) == 0;
    }

    /// <summary>Asks the driver to notify when it adds the next buffer. True when it has added one since the last
    /// <see cref="TryPop"/>, on another hart, and may not have seen the request: whoever waits for buffers looks
    /// again, or nobody tells it of this one or of any later (section 2.7.10.1).</summary>
    public bool RequestNotification()
    {
        if (!UseEventIndex || !Ready)
        {
            return false;
        }

        ram.TryWriteUInt16(UsedRing + 4 + ((ulong)Size * 8), _seenAvailable);
        Interlocked.MemoryBarrier();
        return ram.TryReadUInt16(AvailableRing + 2, out ushort available) && available != _seenAvailable;
    }

    public void Save(StateWriter writer)
    {
        writer.UInt16(Size);
        writer.Bool(Ready);
        writer.UInt64(DescriptorTable);
        writer.UInt64(AvailableRing);
        writer.UInt64(UsedRing);
        writer.UInt16(NextAvailable);
        writer.UInt16(NextUsed);
        writer.UInt16(_signalledUsed);
    }

    public static VirtqueueState Decode(ref StateReader reader, GuestRam ram)
    {
        var state = new VirtqueueState(
            reader.UInt16("queue.size"), reader.Bool("queue.ready"), reader.UInt64("queue.descriptors"),
            reader.UInt64("queue.available"), reader.UInt64("queue.used"), reader.UInt16("queue.next_available"),
            reader.UInt16("queue.next_used"), reader.UInt16("queue.signalled"));
        reader.Require(state.Size <= SizeMax || !state.Ready, "queue.size", state.Size, $"at most {SizeMax}");
        if (state.Ready && !IsLayoutValid(ram, state.Size, state.DescriptorTable, state.AvailableRing, state.UsedRing))
        {
            reader.Fail($"queue at 0x{state.DescriptorTable:x} is not a valid layout in this machine's RAM");
        }

        return state;
    }

    public void Restore(VirtqueueState state, ulong features)
    {
        Size = state.Size;
        Ready = state.Ready;
        DescriptorTable = state.DescriptorTable;
        AvailableRing = state.AvailableRing;
        UsedRing = state.UsedRing;
        NextAvailable = state.NextAvailable;
        NextUsed = state.NextUsed;
        _signalledUsed = state.SignalledUsed;
        _seenAvailable = state.NextAvailable;
        SetFeatures(features);
    }

    public void SetFeatures(ulong features)
    {
        UseEventIndex = (features & VirtioFeatures.EventIndex) != 0;
        UseIndirect = (features & VirtioFeatures.IndirectDescriptors) != 0;
    }

    private static bool IsLayoutValid(GuestRam ram, ushort size, ulong descriptors, ulong available, ulong used)
    {
        ulong entries = size;
        return size is > 0 and <= SizeMax && System.Numerics.BitOperations.IsPow2(size)
            && descriptors % 16 == 0 && available % 2 == 0 && used % 4 == 0
            && IsInRam(ram, descriptors, entries * DescriptorSize)
            && IsInRam(ram, available, 6 + (entries * 2))
            && IsInRam(ram, used, 6 + (entries * 8));
    }

    private static bool IsInRam(GuestRam ram, ulong address, ulong length)
    {
        ulong offset = unchecked(address - ram.BaseAddress);
        return offset < ram.SizeBytes && length <= ram.SizeBytes - offset;
    }

    private PopResult Follow(DescriptorChain chain, ulong table, uint tableSize, uint index, bool insideIndirect)
    {
        Span<byte> raw = stackalloc byte[DescriptorSize];
        for (uint steps = 0; ; steps++)
        {
            // A chain longer than its table visits a descriptor twice: a loop.
            if (index >= tableSize || steps >= tableSize || chain.SegmentCount >= ChainLimit)
            {
                return Broken($"chain of descriptor {chain.Head} is too long or leaves its table at {index}");
            }

            if (!ram.TryRead(table + ((ulong)index * DescriptorSize), raw))
            {
                return Broken("descriptor table is not in RAM");
            }

            ulong address = BinaryPrimitives.ReadUInt64LittleEndian(raw);
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(raw[8..]);
            ushort flags = BinaryPrimitives.ReadUInt16LittleEndian(raw[12..]);
            index = BinaryPrimitives.ReadUInt16LittleEndian(raw[14..]);
            if ((flags & FlagIndirect) != 0)
            {
                return insideIndirect
                    ? Broken("indirect descriptor inside an indirect table")
                    : FollowIndirect(chain, address, length, flags);
            }

            if (length == 0 || !IsInRam(ram, address, length))
            {
                return Broken($"descriptor names {length} bytes at 0x{address:x}, which are not in RAM");
            }

            if (!chain.TryAdd(new BufferSegment(address, length), (flags & FlagWrite) != 0))
            {
                return Broken("readable descriptor after a writable one");
            }

            if ((flags & FlagNext) == 0)
            {
                return PopResult.Chain;
            }
        }
    }

    private PopResult FollowIndirect(DescriptorChain chain, ulong table, uint length, ushort flags)
    {
        if (!UseIndirect || (flags & FlagNext) != 0 || length == 0 || length % DescriptorSize != 0
            || length / DescriptorSize > ChainLimit || !IsInRam(ram, table, length))
        {
            return Broken($"indirect table of {length} bytes at 0x{table:x} is not allowed");
        }

        return Follow(chain, table, length / DescriptorSize, 0, insideIndirect: true);
    }

    private PopResult Broken(string fault)
    {
        Fault = fault;
        return PopResult.Broken;
    }
}
