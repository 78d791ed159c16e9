using System.Buffers.Binary;
using Colo.Vmm.Devices.Virtio;
using Colo.Vmm.Machine;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Tests.Devices;

/// <summary>
/// The guest's side of a virtio-mmio slot, for the tests of every virtio device: resets, negotiates, lays rings out in
/// RAM, adds chains, kicks, and collects what the device used. Chains take descriptors in turn; a test that keeps fewer
/// than a ring of them in flight never reuses one too early.
/// </summary>
internal sealed class MockDriver : IDisposable
{
    public const ulong RamBase = 0x8000_0000;
    public const ulong DataBase = RamBase + 0x10_0000;
    private const ulong QueueStride = 0x8000;
    private const ulong AvailableOffset = 0x2000;
    private const ulong UsedOffset = 0x4000;
    private const ulong IndirectOffset = 0x6000;

    private readonly ushort[] _nextDescriptor;
    private readonly ushort[] _available;
    private readonly ushort[] _used;
    private readonly int _queueCount;
    private readonly ulong _ringBase = RamBase;
    private readonly bool _ownsRam = true;
    private ulong _nextData = DataBase;

    public MockDriver(IVirtioFunction function, ushort queueSize = 64)
    {
        QueueSize = queueSize;
        Ram = new GuestRam(RamBase, 4 << 20);
        Device = new VirtioMmioDevice(0, function, Ram, Line, Waker);
        _queueCount = function.QueueCount;
        _nextDescriptor = new ushort[_queueCount];
        _available = new ushort[_queueCount];
        _used = new ushort[_queueCount];
    }

    /// <summary>The driver of a card or disk of a whole machine; its rings are in the second mebibyte, its data in the
    /// third. The place keeps the drivers of one machine apart: they have two mebibytes each.</summary>
    public MockDriver(VirtMachine machine, int slot, int queueCount, int place = 0)
    {
        QueueSize = 256;
        Ram = machine.Ram;
        Device = machine.Board.Virtio[slot];
        _ringBase = DataBase + ((ulong)place * 0x20_0000);
        _nextData = _ringBase + 0x10_0000;
        _ownsRam = false;
        _queueCount = queueCount;
        _nextDescriptor = new ushort[_queueCount];
        _available = new ushort[_queueCount];
        _used = new ushort[_queueCount];
    }

    public GuestRam Ram { get; }

    public RecordingLine Line { get; } = new();

    public CountingWaker Waker { get; } = new();

    public VirtioMmioDevice Device { get; }

    public ushort QueueSize { get; }

    public ulong OfferedFeatures { get; private set; }

    public VirtioStatus Status => (VirtioStatus)Read(0x70);

    public bool NeedsReset => (Status & VirtioStatus.NeedsReset) != 0;

    public uint Read(ulong offset) => (uint)Device.Read(offset, 4);

    public void Write(ulong offset, uint value) => Device.Write(offset, 4, value);

    /// <summary>Section 3.1.1 of virtio 1.2; takes all offered features that the mask allows.</summary>
    public MockDriver Start(ulong featureMask = ulong.MaxValue)
    {
        Write(0x70, 0);
        Write(0x70, 1);
        Write(0x70, 3);
        Write(0x14, 0);
        OfferedFeatures = Read(0x10);
        Write(0x14, 1);
        OfferedFeatures |= (ulong)Read(0x10) << 32;
        ulong accepted = OfferedFeatures & (featureMask | VirtioFeatures.Version1);
        Write(0x24, 0);
        Write(0x20, (uint)accepted);
        Write(0x24, 1);
        Write(0x20, (uint)(accepted >> 32));
        Write(0x70, 11);
        for (int queue = 0; queue < _queueCount; queue++)
        {
            SetUp(queue);
        }

        Write(0x70, 15);
        return this;
    }

    public ulong DescriptorTable(int queue) => _ringBase + ((ulong)queue * QueueStride);

    public ulong AvailableRing(int queue) => DescriptorTable(queue) + AvailableOffset;

    public ulong UsedRing(int queue) => DescriptorTable(queue) + UsedOffset;

    /// <summary>Room for data that no ring uses.</summary>
    public ulong Allocate(int length)
    {
        ulong address = _nextData;
        _nextData += (ulong)((length + 15) & ~15);
        return address;
    }

    public ulong Place(ReadOnlySpan<byte> content)
    {
        ulong address = Allocate(content.Length);
        Assert.True(Ram.TryWrite(address, content));
        return address;
    }

    public byte[] Fetch(ulong address, int length)
    {
        var content = new byte[length];
        Assert.True(Ram.TryRead(address, content));
        return content;
    }

    /// <summary>Adds a chain and makes it available; returns its head.</summary>
    public ushort Add(int queue, params ReadOnlySpan<RingSegment> segments)
    {
        ushort head = _nextDescriptor[queue];
        for (int i = 0; i < segments.Length; i++)
        {
            ushort index = _nextDescriptor[queue];
            _nextDescriptor[queue] = (ushort)((index + 1) % QueueSize);
            bool last = i == segments.Length - 1;
            int flags = (last ? 0 : 1) | (segments[i].Writable ? 2 : 0);
            WriteDescriptor(DescriptorTable(queue), index, segments[i].Address, segments[i].Length, flags, _nextDescriptor[queue]);
        }

        MakeAvailable(queue, head);
        return head;
    }

    /// <summary>The same chain through an indirect table.</summary>
    public ushort AddIndirect(int queue, params ReadOnlySpan<RingSegment> segments)
    {
        ulong table = DescriptorTable(queue) + IndirectOffset;
        for (int i = 0; i < segments.Length; i++)
        {
            bool last = i == segments.Length - 1;
            int flags = (last ? 0 : 1) | (segments[i].Writable ? 2 : 0);
            WriteDescriptor(table, (ushort)i, segments[i].Address, segments[i].Length, flags, (ushort)(i + 1));
        }

        ushort head = _nextDescriptor[queue];
        _nextDescriptor[queue] = (ushort)((head + 1) % QueueSize);
        WriteDescriptor(DescriptorTable(queue), head, table, (uint)segments.Length * 16, 4, 0);
        MakeAvailable(queue, head);
        return head;
    }

    public void WriteDescriptor(ulong table, ushort index, ulong address, uint length, int flags, ushort next)
    {
        Span<byte> raw = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(raw, address);
        BinaryPrimitives.WriteUInt32LittleEndian(raw[8..], length);
        BinaryPrimitives.WriteUInt16LittleEndian(raw[12..], (ushort)flags);
        BinaryPrimitives.WriteUInt16LittleEndian(raw[14..], next);
        Assert.True(Ram.TryWrite(table + ((ulong)index * 16), raw));
    }

    public void MakeAvailable(int queue, ushort head)
    {
        Ram.TryWriteUInt16(AvailableRing(queue) + 4 + ((ulong)(_available[queue] % QueueSize) * 2), head);
        _available[queue]++;
        Ram.TryWriteUInt16(AvailableRing(queue) + 2, _available[queue]);
    }

    /// <summary>Whether the device asked to be told of what was added since the index stood there (section
    /// 2.7.10.2).</summary>
    public bool MustKick(int queue, ushort since)
    {
        Ram.TryReadUInt16(UsedRing(queue) + 4 + ((ulong)QueueSize * 8), out ushort asked);
        return (ushort)(_available[queue] - asked - 1) < (ushort)(_available[queue] - since);
    }

    public void Kick(int queue) => Write(0x50, (uint)queue);

    /// <summary>The next used element, or null.</summary>
    public (uint Head, uint Written)? TakeUsed(int queue)
    {
        Ram.TryReadUInt16(UsedRing(queue) + 2, out ushort index);
        if (index == _used[queue])
        {
            return null;
        }

        ulong slot = UsedRing(queue) + 4 + ((ulong)(_used[queue] % QueueSize) * 8);
        Ram.TryReadUInt32(slot, out uint head);
        Ram.TryReadUInt32(slot + 4, out uint written);
        _used[queue]++;
        return (head, written);
    }

    /// <summary>How many elements the device has used since the start.</summary>
    public int CountUsed(int queue)
    {
        Ram.TryReadUInt16(UsedRing(queue) + 2, out ushort index);
        return index;
    }

    /// <summary>Acknowledges all interrupts.</summary>
    public void Acknowledge() => Write(0x64, Read(0x60));

    public void Dispose()
    {
        if (_ownsRam)
        {
            Ram.Dispose();
        }
    }

    private void SetUp(int queue)
    {
        Write(0x30, (uint)queue);
        Write(0x38, QueueSize);
        WriteWide(0x80, DescriptorTable(queue));
        WriteWide(0x90, AvailableRing(queue));
        WriteWide(0xa0, UsedRing(queue));
        Span<byte> zeroes = stackalloc byte[0x6000];
        Ram.TryWrite(DescriptorTable(queue), zeroes);
        _nextDescriptor[queue] = _available[queue] = _used[queue] = 0;
        Write(0x44, 1);
    }

    private void WriteWide(ulong offset, ulong value)
    {
        Write(offset, (uint)value);
        Write(offset + 4, (uint)(value >> 32));
    }
}
