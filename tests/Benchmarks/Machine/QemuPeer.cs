using System.Diagnostics;

namespace Colo.Benchmarks.Machine;

/// <summary>The same files on Debian's <c>qemu-system-riscv64</c> (package qemu-system-misc), one hart, emulation
/// without KVM.</summary>
internal static class QemuPeer
{
    private const string Program = "/usr/bin/qemu-system-riscv64";

    /// <summary>Seconds that a bare program takes from start of the process to its HTIF exit.</summary>
    public static double RunProgram(string elf)
    {
        long start = Stopwatch.GetTimestamp();
        using Process process = Start("-M", "spike", "-m", "128M", "-nographic", "-monitor", "none", "-serial", "none", "-bios", "none", "-kernel", elf);
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Seconds until the marker is on the console.</summary>
    public static double Boot(string guest, string marker, TimeSpan limit)
    {
        long start = Stopwatch.GetTimestamp();
        using Process process = Start(
            "-M", "virt", "-m", "256M", "-nographic", "-monitor", "none", "-serial", "stdio", "-kernel", Path.Combine(guest, "Image"),
            "-initrd", Path.Combine(guest, "initrd.img"), "-append", "console=ttyS0");
        using var timer = new Timer(_ => process.Kill(), null, limit, Timeout.InfiniteTimeSpan);
        string? line;
        while ((line = process.StandardOutput.ReadLine()) is not null && !line.Contains(marker, StringComparison.Ordinal))
        {
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        process.Kill();
        process.WaitForExit();
        return line is null ? throw new InvalidOperationException($"qemu-system-riscv64 did not show '{marker}'") : seconds;
    }

    private static Process Start(params string[] arguments)
    {
        if (!File.Exists(Program))
        {
            throw new InvalidOperationException($"{Program} is needed: install qemu-system-misc");
        }

        return Process.Start(new ProcessStartInfo(Program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardInput = true,
        })!;
    }
}
