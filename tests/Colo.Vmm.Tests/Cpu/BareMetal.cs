using System.Diagnostics;
using Colo.Vmm.Cpu;
using Colo.Vmm.Machine;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Tests.Cpu;

/// <summary>Builds and runs the bare-metal programs under guests/ with Debian's cross compiler, in the HTIF
/// convention.</summary>
internal static class BareMetal
{
    public const ulong RamBase = 0x8000_0000;
    private const ulong RamBytes = 16 << 20;

    /// <summary>Compiles sources of a folder under guests/; the result is the ELF file's bytes.</summary>
    public static byte[] Build(string folder, string sources, string flags = "")
    {
        string directory = Path.Combine(FindRoot(), "guests", folder);
        string output = Path.Combine(Path.GetTempPath(), $"colo-{Guid.NewGuid():N}.elf");
        try
        {
            ProcessStartInfo start = new("riscv64-linux-gnu-gcc") { WorkingDirectory = directory, RedirectStandardError = true };
            string arguments = "-O2 -nostdlib -static -ffreestanding -march=rv64gc -mabi=lp64d -mcmodel=medany -fno-pic -no-pie "
                + "-fno-tree-loop-distribute-patterns -Wl,--build-id=none -T link.ld " + flags + " " + sources + " -o " + output;
            foreach (string argument in arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                start.ArgumentList.Add(argument);
            }

            using Process process = StartOrExplain(start);
            string errors = process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.True(process.ExitCode == 0, errors);
            return File.ReadAllBytes(output);
        }
        finally
        {
            File.Delete(output);
        }
    }

    public static (GuestRam Ram, Hart Hart, ulong ToHost) Load(byte[] elf, HartOptions options)
    {
        ElfImage image = ElfImage.Parse(elf, "test program");
        GuestRam ram = new(RamBase, RamBytes);
        image.Load(ram);
        Hart hart = new(0, ram, new EmptyBus(), new ZeroClock(), options);
        hart.Reset(image.Entry, PrivilegeMode.Machine);
        return (ram, hart, image.FindSymbol("tohost")!.Value);
    }

    /// <summary>Runs in slices until the program ends; the exit code, 0 for success.</summary>
    public static ulong Run(GuestRam ram, Hart hart, ulong toHost, long slice = 100_000, long limit = 2_000_000_000)
    {
        while (limit > 0)
        {
            hart.Run(slice);
            limit -= slice;
            Assert.True(ram.TryReadUInt64(toHost, out ulong value));
            if (value != 0)
            {
                return value >> 1;
            }
        }

        throw new InvalidOperationException($"program did not end; pc 0x{hart.Pc:x}, gp {hart.GetX(3)}");
    }

    private static string FindRoot()
    {
        DirectoryInfo? directory = new(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Colo.sln")))
        {
            directory = directory.Parent;
        }

        return directory?.FullName ?? throw new InvalidOperationException("Colo.sln not found above the tests");
    }

    private static Process StartOrExplain(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            throw new InvalidOperationException("riscv64-linux-gnu-gcc not found: install Debian's package gcc-riscv64-linux-gnu");
        }
    }
}
