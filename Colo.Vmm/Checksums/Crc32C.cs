using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Colo.Vmm.Checksums;

/// <summary>
/// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78) as in RFC 3720 appendix B.4, with the processor's instruction
/// where there is one. The finished value is what callers see: 0xE3069283 for the nine bytes "123456789".
/// </summary>
public static class Crc32C
{
    private const uint Polynomial = 0x82F63B78;

    // The instruction has a latency of three cycles and a throughput of one, so three independent streams of this many
    // bytes run side by side and are joined by a table that moves a register over BlockLength zero bytes.
    internal const int BlockLength = 1024;

    private static readonly uint[] s_byteTable = BuildByteTable();
    private static readonly uint[] s_shiftTable = BuildShiftTable(BlockLength);

    /// <summary>The checksum of <paramref name="data"/>; 0 for no bytes.</summary>
    public static uint Compute(ReadOnlySpan<byte> data) => Append(0, data);

    /// <summary>The checksum of what <paramref name="crc"/> covers followed by <paramref name="data"/>.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> data) => ~Update(~crc, data);

    /// <summary>The register behind <paramref name="data"/>, which begins as ~0 and is inverted at the end. It is
    /// linear: a part that was begun with 0 can be joined to what is before it by <see cref="PageCrc32C.Skip"/> and
    /// XOR.</summary>
    internal static uint Update(uint register, ReadOnlySpan<byte> data)
    {
        if (Sse42.X64.IsSupported)
        {
            return UpdateX64(register, data);
        }

        return Crc32.Arm64.IsSupported ? UpdateArm64(register, data) : UpdateSoftware(register, data);
    }

    /// <summary>The same checksum without the instruction; the reference that the fast paths are tested
    /// against.</summary>
    internal static uint AppendSoftware(uint crc, ReadOnlySpan<byte> data) => ~UpdateSoftware(~crc, data);

    private static uint UpdateX64(uint register, ReadOnlySpan<byte> data)
    {
        ulong a = register;
        while (data.Length >= 3 * BlockLength)
        {
            var first = MemoryMarshal.Cast<byte, ulong>(data[..BlockLength]);
            var second = MemoryMarshal.Cast<byte, ulong>(data.Slice(BlockLength, BlockLength));
            var third = MemoryMarshal.Cast<byte, ulong>(data.Slice(2 * BlockLength, BlockLength));
            ulong b = 0;
            ulong c = 0;
            for (var i = 0; i < first.Length && i < second.Length && i < third.Length; i++)
            {
                a = Sse42.X64.Crc32(a, first[i]);
                b = Sse42.X64.Crc32(b, second[i]);
                c = Sse42.X64.Crc32(c, third[i]);
            }

            a = Shift(Shift((uint)a) ^ (uint)b) ^ (uint)c;
            data = data[(3 * BlockLength)..];
        }

        foreach (var word in MemoryMarshal.Cast<byte, ulong>(data))
        {
            a = Sse42.X64.Crc32(a, word);
        }

        register = (uint)a;
        foreach (var value in data[(data.Length & ~7)..])
        {
            register = Sse42.Crc32(register, value);
        }

        return register;
    }

    private static uint UpdateArm64(uint register, ReadOnlySpan<byte> data)
    {
        while (data.Length >= 8)
        {
            register = Crc32.Arm64.ComputeCrc32C(register, BinaryPrimitives.ReadUInt64LittleEndian(data));
            data = data[8..];
        }

        foreach (var value in data)
        {
            register = Crc32.ComputeCrc32C(register, value);
        }

        return register;
    }

    private static uint UpdateSoftware(uint register, ReadOnlySpan<byte> data)
    {
        foreach (var value in data)
        {
            register = (register >> 8) ^ s_byteTable[(byte)(register ^ value)];
        }

        return register;
    }

    /// <summary>What the register becomes after BlockLength zero bytes; linear, so four table look-ups do it.</summary>
    internal static uint Shift(uint register) => Shift(s_shiftTable, register);

    internal static uint Shift(uint[] table, uint register) =>
        table[(byte)register]
        ^ table[256 + (byte)(register >> 8)]
        ^ table[512 + (byte)(register >> 16)]
        ^ table[768 + (byte)(register >> 24)];

    private static uint[] BuildByteTable()
    {
        var table = new uint[256];
        for (var i = 0u; i < 256; i++)
        {
            var value = i;
            for (var bit = 0; bit < 8; bit++)
            {
                value = (value & 1) != 0 ? (value >> 1) ^ Polynomial : value >> 1;
            }

            table[i] = value;
        }

        return table;
    }

    /// <summary>A table for <see cref="Shift(uint[], uint)"/> over that many zero bytes.</summary>
    internal static uint[] BuildShiftTable(int zeroBytes)
    {
        Span<uint> basis = stackalloc uint[32];
        for (var bit = 0; bit < 32; bit++)
        {
            var register = 1u << bit;
            for (var i = 0; i < zeroBytes; i++)
            {
                register = (register >> 8) ^ s_byteTable[(byte)register];
            }

            basis[bit] = register;
        }

        var table = new uint[4 * 256];
        for (var position = 0; position < 4; position++)
        {
            for (var value = 0; value < 256; value++)
            {
                var sum = 0u;
                for (var bit = 0; bit < 8; bit++)
                {
                    sum ^= (value >> bit & 1) != 0 ? basis[8 * position + bit] : 0;
                }

                table[256 * position + value] = sum;
            }
        }

        return table;
    }
}
