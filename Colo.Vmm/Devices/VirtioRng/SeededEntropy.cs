using System.Buffers.Binary;

namespace Colo.Vmm.Devices.VirtioRng;

/// <summary>A reproducible sequence from a seed (SplitMix64), for runs that must give the same trace. Not for
/// secrets.</summary>
internal sealed class SeededEntropy(ulong seed) : IEntropySource
{
    public ulong Position { get; set; } = seed;

    public void Fill(Span<byte> destination)
    {
        Span<byte> word = stackalloc byte[8];
        while (destination.Length > 0)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(word, Next());
            int count = Math.Min(8, destination.Length);
            word[..count].CopyTo(destination);
            destination = destination[count..];
        }
    }

    private ulong Next()
    {
        unchecked
        {
            Position += 0x9e3779b97f4a7c15;
            ulong z = Position;
            z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
            z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
            return z ^ (z >> 31);
        }
    }
}
