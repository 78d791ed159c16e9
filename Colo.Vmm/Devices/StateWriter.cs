using System.Buffers;
using System.Buffers.Binary;

namespace Colo.Vmm.Devices;

/// <summary>Little-endian writer for the sections of the machine's state.</summary>
internal sealed class StateWriter(IBufferWriter<byte> destination)
{
    public void UInt8(byte value)
    {
        destination.GetSpan(1)[0] = value;
        destination.Advance(1);
    }

    public void Bool(bool value) => UInt8(value ? (byte)1 : (byte)0);

    public void UInt16(ushort value)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(destination.GetSpan(2), value);
        destination.Advance(2);
    }

    public void UInt32(uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(destination.GetSpan(4), value);
        destination.Advance(4);
    }

    public void Int32(int value) => UInt32((uint)value);

    public void UInt64(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination.GetSpan(8), value);
        destination.Advance(8);
    }

    public void Int64(long value) => UInt64((ulong)value);

    /// <summary>A 32-bit length and that many bytes.</summary>
    public void Bytes(ReadOnlySpan<byte> value)
    {
        UInt32((uint)value.Length);
        Raw(value);
    }

    public void Raw(ReadOnlySpan<byte> value) => destination.Write(value);
}
