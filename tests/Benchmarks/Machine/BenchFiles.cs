using System.Diagnostics;
using System.Globalization;

namespace Colo.Benchmarks.Machine;

/// <summary>Files that the machine suite runs on, built when they are missing, and figures of this process from
/// /proc.</summary>
internal static class BenchFiles
{
    public static string DebianGuest()
    {
        Run(Path.Combine(SourceRoot(), "guests", "debian", "build"), "debian");
        string cache = Environment.GetEnvironmentVariable("COLO_CACHE")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache", "colo");
        return Path.Combine(cache, "guests", "debian");
    }

    public static string BuildPrograms()
    {
        string output = Path.Combine(Path.GetTempPath(), "colo-bench");
        // Long enough that the start of a process does not count.
        Run("make", "-B", "-C", Path.Combine(SourceRoot(), "guests", "bench"), $"OUT={output}",
            "EXTRA=-DROUNDS=150000", $"{output}/kernels.elf");
        Run("make", "-B", "-C", Path.Combine(SourceRoot(), "guests", "bench"), $"OUT={output}",
            "EXTRA=-DROUNDS=24", $"{output}/copy.elf");
        Run("make", "-B", "-C", Path.Combine(SourceRoot(), "guests", "bench"), $"OUT={output}",
            $"{output}/dhry.elf", $"{output}/invoke.elf", $"{output}/float.elf", $"{output}/calls.elf",
            $"{output}/switch.elf", $"{output}/share1.elf", $"{output}/share2.elf");
        string small = Path.Combine(output, "short");
        Run("make", "-B", "-C", Path.Combine(SourceRoot(), "guests", "bench"), $"OUT={small}",
            "EXTRA=-DROUNDS=150", $"{small}/kernels.elf");
        return output;
    }

    /// <summary>
    /// Resident bytes of this process that are not guest RAM. The mapping of that size is guest RAM; the kernel may
    /// have joined it with a small neighbour.
    /// </summary>
    public static long ResidentBeyond(ulong guestBytes)
    {
        long total = 0;
        long guest = 0;
        bool inGuest = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            if (line.StartsWith("Size:", StringComparison.Ordinal))
            {
                long size = Kibibytes(line) * 1024;
                inGuest = size >= (long)guestBytes && size < (long)guestBytes + (16 << 20);
            }
            else if (line.StartsWith("Rss:", StringComparison.Ordinal))
            {
                long resident = Kibibytes(line) * 1024;
                total += resident;
                guest += inGuest ? resident : 0;
            }
        }

        return total - guest;
    }

    private static long Kibibytes(string line) =>
        long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);

    public static string SourceRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Colo.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("the benchmarks do not run inside the source tree");
    }

    private static void Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with code {process.ExitCode}");
        }
    }
}
