using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;

namespace Colo.Vmm.Checkpoint;

/// <summary>
/// The first 128 bits of SHA-256 over a page. A guest writes the pages and could construct collisions of anything
/// weaker, and a page wrongly believed equal is a replica that is silently wrong.
/// </summary>
internal readonly record struct PageHash(ulong Low, ulong High)
{
    public const int Size = 16;

    public static PageHash Compute(ReadOnlySpan<byte> page)
    {
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(page, digest);
        return Read(digest);
    }

    public static PageHash Read(ReadOnlySpan<byte> source) => new(
        BinaryPrimitives.ReadUInt64LittleEndian(source), BinaryPrimitives.ReadUInt64LittleEndian(source[8..]));

    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination, Low);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[8..], High);
    }

    /// <summary>
    /// Spreads a page number over 64 bits (SplitMix64's finaliser); the sum over a set of pages identifies the set
    /// whatever the order in which channels delivered it.
    /// </summary>
    public static ulong OfNumber(int page)
    {
        unchecked
        {
            var value = (ulong)page + 0x9E3779B97F4A7C15ul;
            value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ul;
            value = (value ^ (value >> 27)) * 0x94D049BB133111EBul;
            return BitOperations.RotateLeft(value ^ (value >> 31), 7);
        }
    }
}
