using System.Diagnostics;
using System.Globalization;

namespace Colo.EndToEnd.Machine;

/// <summary>guests/baremetal/counter.S: counts for ever and prints the count, 16 hexadecimal digits a line.</summary>
internal static class BareGuest
{
    /// <summary>Compiles the program into the folder.</summary>
    public static string Build(string folder)
    {
        string sources = Path.Combine(DebianGuest.SourceRoot, "guests", "baremetal");
        string elf = Path.Combine(folder, "counter.elf");
        string[] arguments =
        [
            "-nostdlib", "-static", "-ffreestanding", "-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany", "-fno-pic",
            "-no-pie",
            "-Wl,--build-id=none", "-T", Path.Combine(sources, "link.ld"), Path.Combine(sources, "counter.S"), "-o",
            elf,
        ];
        using Process compiler = Process.Start(
            new ProcessStartInfo("riscv64-linux-gnu-gcc", arguments) { RedirectStandardError = true })!;
        string errors = compiler.StandardError.ReadToEnd();
        compiler.WaitForExit();
        Assert.True(compiler.ExitCode == 0, errors);
        return elf;
    }

    /// <summary>The last whole count on the console; 0 before the first.</summary>
    public static ulong Count(VmProcess vm)
    {
        string[] lines = vm.Console.Text.Split('\n');
        return lines.Length < 2
            ? 0
            : ulong.Parse(lines[^2], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
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
}
