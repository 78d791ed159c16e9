using System.Diagnostics;

namespace Colo.Benchmarks.Machine;

/// <summary>Files that the machine suite runs on, built when they are missing.</summary>
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
