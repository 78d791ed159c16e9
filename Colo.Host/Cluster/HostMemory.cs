using System.Globalization;

namespace Colo.Host.Cluster;

/// <summary>The memory of this host as the kernel tells it.</summary>
internal static class HostMemory
{
    /// <summary>Available and total bytes; zeros where the kernel does not say.</summary>
    public static (long Available, long Total) Read()
    {
        long available = 0;
        long total = 0;
        try
        {
            foreach (string line in File.ReadLines("/proc/meminfo"))
            {
                available = line.StartsWith("MemAvailable:", StringComparison.Ordinal) ? Kibibytes(line) : available;
                total = line.StartsWith("MemTotal:", StringComparison.Ordinal) ? Kibibytes(line) : total;
            }
        }
        catch (IOException)
        {
            // Not Linux, or a very closed container.
        }

        return (available, total);
    }

    private static long Kibibytes(string line)
    {
        string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return words.Length > 1
            && long.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out long value)
            ? value << 10 : 0;
    }
}
