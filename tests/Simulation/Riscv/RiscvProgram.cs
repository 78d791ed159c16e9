using System.ComponentModel;
using System.Diagnostics;
using Colo.Vmm.Machine;
using Colo.Vmm.Memory;

namespace Colo.Simulation.Riscv;

/// <summary>The program of <c>guests/simulation</c>, compiled once a process with Debian's cross compiler.</summary>
internal sealed class RiscvProgram
{
    private static readonly Lazy<RiscvProgram> s_built = new(() => new RiscvProgram(Compile()));

    private readonly ElfImage _elf;

    private RiscvProgram(byte[] file)
    {
        _elf = ElfImage.Parse(file, "guests/simulation");
        Consumed = Symbol("consumed");
        Connections = Symbol("connections");
        Streams = Symbol("streams");
        End = Symbol("image_end");
    }

    public static RiscvProgram Built => s_built.Value;

    /// <summary>Address of the number of frames that the program has handled.</summary>
    public ulong Consumed { get; }

    public ulong Connections { get; }

    public ulong Streams { get; }

    /// <summary>Behind the last byte that the program uses.</summary>
    public ulong End { get; }

    public void Load(GuestRam ram) => _elf.Load(ram);

    private ulong Symbol(string name) =>
        _elf.FindSymbol(name) ?? throw new InvalidOperationException($"guests/simulation has no symbol '{name}'");

    private static byte[] Compile()
    {
        string output = Path.Combine(Path.GetTempPath(), $"colo-{Guid.NewGuid():N}.elf");
        try
        {
            const string Arguments =
                "-O2 -nostdlib -static -ffreestanding -march=rv64gc -mabi=lp64d -mcmodel=medany -fno-pic -no-pie "
                + "-fno-tree-loop-distribute-patterns -Wl,--build-id=none -T link.ld start.S server.c -o";
            ProcessStartInfo start = new("riscv64-linux-gnu-gcc", [.. Arguments.Split(' '), output])
            {
                WorkingDirectory = Path.Combine(FindRoot(), "guests", "simulation"),
                RedirectStandardError = true,
            };
            using Process process = Process.Start(start)!;
            string errors = process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0
                ? File.ReadAllBytes(output)
                : throw new InvalidOperationException($"guests/simulation cannot be compiled: {errors}");
        }
        catch (Win32Exception)
        {
            throw new InvalidOperationException(
                "riscv64-linux-gnu-gcc not found: install Debian's package gcc-riscv64-linux-gnu");
        }
        finally
        {
            File.Delete(output);
        }
    }

    private static string FindRoot()
    {
        DirectoryInfo? directory = new(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Colo.sln")))
        {
            directory = directory.Parent;
        }

        return directory?.FullName ?? throw new InvalidOperationException("Colo.sln not found above the simulation");
    }
}
