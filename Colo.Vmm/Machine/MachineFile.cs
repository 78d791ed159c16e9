using System.Buffers;
using System.Buffers.Binary;
using Colo.Vmm.Checksums;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Machine;

/// <summary>
/// A whole machine as a file: device state, then RAM in groups of 64 pages. A group says in one bit for each page
/// whether it is more than zeroes; only those pages follow, then the group's CRC-32C. Layout in
/// docs/protocol-machine-state.md.
/// </summary>
internal static class MachineFile
{
    public const ushort Version = 1;
    private const int HeaderSize = 24;
    private const int GroupPages = 64;

    private static ReadOnlySpan<byte> Magic => "COLOFILE"u8;

    /// <exception cref="IOException">It cannot be written, or what would be written could not be
    /// restored.</exception>
    public static void Save(VirtMachine machine, Stream destination)
    {
        var state = new ArrayBufferWriter<byte>(16384);
        machine.SaveDevices(state);
        if (state.WrittenCount > MachineStateCodec.LengthMax)
        {
            throw new IOException(
                $"{state.WrittenCount} bytes of state, expected at most {MachineStateCodec.LengthMax}");
        }

        Span<byte> header = stackalloc byte[HeaderSize];
        header.Clear();
        Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt16LittleEndian(header[8..], Version);
        BinaryPrimitives.WriteInt32LittleEndian(header[12..], state.WrittenCount);
        BinaryPrimitives.WriteInt32LittleEndian(header[16..], machine.Ram.PageCount);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], Crc32C.Compute(header[..20]));
        destination.Write(header);
        destination.Write(state.WrittenSpan);
        var group = new byte[8 + (GroupPages * GuestRam.PageSize) + 4];
        for (int first = 0; first < machine.Ram.PageCount; first += GroupPages)
        {
            destination.Write(EncodeGroup(machine.Ram, first, group));
        }
    }

    public static RestoreResult Restore(VirtMachine machine, Stream source)
    {
        try
        {
            return RestoreChecked(machine, source);
        }
        catch (EndOfStreamException)
        {
            return RestoreResult.Failed("machine file: ends too early");
        }
        catch (IOException e)
        {
            return RestoreResult.Failed($"machine file: {e.Message}");
        }
    }

    private static RestoreResult RestoreChecked(VirtMachine machine, Stream source)
    {
        Span<byte> header = stackalloc byte[HeaderSize];
        source.ReadExactly(header);
        if (!header.StartsWith(Magic))
        {
            return RestoreResult.Failed("machine file: does not begin with COLOFILE");
        }

        ushort version = BinaryPrimitives.ReadUInt16LittleEndian(header[8..]);
        if (version != Version)
        {
            return RestoreResult.Failed($"machine file: format version {version}, this program reads version {Version}");
        }

        int stateLength = BinaryPrimitives.ReadInt32LittleEndian(header[12..]);
        int pages = BinaryPrimitives.ReadInt32LittleEndian(header[16..]);
        if (BinaryPrimitives.ReadUInt32LittleEndian(header[20..]) != Crc32C.Compute(header[..20]))
        {
            return RestoreResult.Failed("machine file: checksum of the header is wrong");
        }

        if (stateLength is < 0 or > MachineStateCodec.LengthMax || pages != machine.Ram.PageCount)
        {
            return RestoreResult.Failed(
                $"machine file: {stateLength} bytes of state and {pages} pages, expected at most "
                + $"{MachineStateCodec.LengthMax} bytes and {machine.Ram.PageCount} pages");
        }

        var state = new byte[stateLength];
        source.ReadExactly(state);
        RestoreResult result = machine.RestoreDevices(state);
        if (!result.IsOk)
        {
            return result;
        }

        var group = new byte[8 + (GroupPages * GuestRam.PageSize) + 4];
        for (int first = 0; first < pages; first += GroupPages)
        {
            if (!TryLoadGroup(machine.Ram, first, source, group))
            {
                return RestoreResult.Failed($"machine file: pages from {first} on are damaged");
            }
        }

        // Queues may hold what arrived before the save, and translations point into RAM as it was.
        foreach (HartSlot slot in machine.Board.Harts)
        {
            slot.Hart.FlushTlb();
        }

        return RestoreResult.Ok;
    }

    private static ReadOnlySpan<byte> EncodeGroup(GuestRam ram, int first, byte[] group)
    {
        ulong present = 0;
        int length = 8;
        for (int i = 0; i < GroupPages && first + i < ram.PageCount; i++)
        {
            ReadOnlySpan<byte> page = ram.ReadPage(first + i);
            if (page.ContainsAnyExcept((byte)0))
            {
                present |= 1ul << i;
                page.CopyTo(group.AsSpan(length));
                length += GuestRam.PageSize;
            }
        }

        BinaryPrimitives.WriteUInt64LittleEndian(group, present);
        BinaryPrimitives.WriteUInt32LittleEndian(group.AsSpan(length), Crc32C.Compute(group.AsSpan(0, length)));
        return group.AsSpan(0, length + 4);
    }

    private static bool TryLoadGroup(GuestRam ram, int first, Stream source, byte[] group)
    {
        source.ReadExactly(group.AsSpan(0, 8));
        ulong present = BinaryPrimitives.ReadUInt64LittleEndian(group);
        int count = Math.Min(GroupPages, ram.PageCount - first);
        if (count < GroupPages && present >> count != 0)
        {
            return false;
        }

        int length = 8 + (System.Numerics.BitOperations.PopCount(present) * GuestRam.PageSize);
        source.ReadExactly(group.AsSpan(8, length - 8 + 4));
        if (BinaryPrimitives.ReadUInt32LittleEndian(group.AsSpan(length)) != Crc32C.Compute(group.AsSpan(0, length)))
        {
            return false;
        }

        int at = 8;
        ReadOnlySpan<byte> zeroes = new byte[GuestRam.PageSize];
        for (int i = 0; i < count; i++)
        {
            bool isPresent = (present & (1ul << i)) != 0;
            if (isPresent)
            {
                ram.LoadPage(first + i, group.AsSpan(at, GuestRam.PageSize));
                at += GuestRam.PageSize;
            }
            else if (ram.ReadPage(first + i).ContainsAnyExcept((byte)0))
            {
                // A page of zeroes that stays unwritten costs the host no memory.
                ram.LoadPage(first + i, zeroes);
            }
        }

        return true;
    }
}
