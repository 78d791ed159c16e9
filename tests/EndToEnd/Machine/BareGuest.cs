using System.Diagnostics;
using System.Globalization;

namespace Colo.EndToEnd.Machine;

/// <summary>Programs of guests/baremetal for a machine without an operating system.</summary>
internal static class BareGuest
{
    private const int CountDigits = 16;

    /// <summary>Compiles counter.S into the folder: it counts for ever and prints the count, 16 hexadecimal digits a
    /// line.</summary>
    public static string Build(string folder) => Build(folder, "counter", "baremetal/counter.S");

    /// <summary>Compiles tree.c into the folder: it prints its device tree and ends with a number from it.</summary>
    public static string BuildTree(string folder) => Build(folder, "tree", "bench/start.S", "baremetal/tree.c");

    /// <summary>The last whole count on the console; 0 before the first. Of a line in whose middle the machine was
    /// saved only the end is printed by the one that goes on: that is no count.</summary>
    public static ulong Count(VmProcess vm) => LastCount(vm.Console.Text);

    internal static ulong LastCount(string console)
    {
        // What follows the last line feed is still being printed.
        string? last = console.Split('\n')[..^1].LastOrDefault(IsCount);
        return last is null ? 0 : ulong.Parse(last, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
    }

    /// <summary>Waits until the machine has printed something greater.</summary>
    public static ulong WaitForMore(VmProcess vm, ulong than)
    {
        ulong count = 0;
        Assert.True(
            SpinWait.SpinUntil(() => (count = Count(vm)) > than, VmProcess.Hang),
            $"the guest does not count on beyond {than:x}: {vm.Errors}");
        return count;
    }

    private static bool IsCount(string line) =>
        line.Length == CountDigits && line.All(char.IsAsciiHexDigitLower);

    private static string Build(string folder, string name, params string[] sources)
    {
        string root = Path.Combine(DebianGuest.SourceRoot, "guests");
        string elf = Path.Combine(folder, name + ".elf");
        string[] arguments =
        [
            "-O1", "-nostdlib", "-static", "-ffreestanding", "-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany",
            "-fno-pic", "-no-pie", "-Wl,--build-id=none",
            "-T", Path.Combine(root, Path.GetDirectoryName(sources[0])!, "link.ld"),
            .. sources.Select(s => Path.Combine(root, s)), "-o", elf,
        ];
        using Process compiler = Process.Start(
            new ProcessStartInfo("riscv64-linux-gnu-gcc", arguments) { RedirectStandardError = true })!;
        string errors = compiler.StandardError.ReadToEnd();
        compiler.WaitForExit();
        Assert.True(compiler.ExitCode == 0, errors);
        return elf;
    }
}
