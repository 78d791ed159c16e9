namespace Colo.Simulation;

/// <summary>
/// Own generator (xoshiro256**, Blackman and Vigna, public domain algorithm), because the framework's may change. A
/// sub-stream is derived from (seed, purpose) without drawing from its parent, so that one more draw in the network
/// moves nothing in the workload.
/// </summary>
public sealed class SeededRandom
{
    private readonly ulong _seed;
    private ulong _s0, _s1, _s2, _s3;

    public SeededRandom(ulong seed)
    {
        _seed = seed;
        ulong state = seed;
        _s0 = Mix(ref state);
        _s1 = Mix(ref state);
        _s2 = Mix(ref state);
        _s3 = Mix(ref state);
    }

    /// <summary>Draws so far; compared when two runs that should be equal differ.</summary>
    public long Draws { get; private set; }

    public SeededRandom Stream(string purpose)
    {
        ulong hash = 14695981039346656037UL ^ _seed;
        foreach (char c in purpose)
        {
            hash = unchecked((hash ^ c) * 1099511628211UL);
        }

        return new SeededRandom(hash);
    }

    public ulong Next()
    {
        Draws++;
        unchecked
        {
            ulong result = ulong.RotateLeft(_s1 * 5, 7) * 9;
            ulong t = _s1 << 17;
            _s2 ^= _s0;
            _s3 ^= _s1;
            _s1 ^= _s2;
            _s0 ^= _s3;
            _s2 ^= t;
            _s3 = ulong.RotateLeft(_s3, 45);
            return result;
        }
    }

    /// <summary>0 to <paramref name="bound"/> - 1.</summary>
    public int Below(int bound) => (int)(Next() % (ulong)bound);

    /// <summary>Both ends included.</summary>
    public long Between(long low, long high) => low + (long)(Next() % (ulong)(high - low + 1));

    /// <summary>True in <paramref name="perMille"/> of a thousand draws.</summary>
    public bool Chance(int perMille) => Below(1000) < perMille;

    /// <summary>Log-uniform between the two, so that small values are as likely as large ones.</summary>
    public long LogBetween(long low, long high)
    {
        int octaves = 63 - System.Numerics.BitOperations.LeadingZeroCount((ulong)Math.Max(1, high / Math.Max(1, low)));
        long value = Math.Max(1, low) << Below(octaves + 1);
        return Math.Min(high, value + Between(0, value));
    }

    private static ulong Mix(ref ulong state)
    {
        unchecked
        {
            ulong z = state += 0x9E3779B97F4A7C15UL;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
            return z ^ (z >> 31);
        }
    }
}

internal static class UlongExtensions
{
    extension(ulong)
    {
        public static ulong RotateLeft(ulong value, int bits) => System.Numerics.BitOperations.RotateLeft(value, bits);
    }
}
