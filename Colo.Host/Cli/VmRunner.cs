using Colo.Vmm.Cpu;
using Colo.Vmm.Devices.Uart;
using Colo.Vmm.Machine;
using Colo.Vmm.Memory;
using Colo.Vmm.Qmp;
using Colo.Vmm.Qmp.Parts;
using Colo.Vmm.Qmp.Replication;

namespace Colo.Host.Cli;

/// <summary>
/// Runs one machine without a cluster until it ends. Exit code: 0 after the guest's power-off or the escape key, the
/// guest's own code when it reports one, 2 for options that cannot be carried out.
/// </summary>
internal static class VmRunner
{
    private const string DefaultCommandLine = "console=ttyS0";

    /// <summary>With fewer, a Linux kernel spends minutes in the compiler before it says a word.</summary>
    private const int CompileThresholdAtOnce = 30;

    public static int Run(VmRunOptions options)
    {
        HostHeap.KeepLittle();
        using var keeper = new MemoryKeeper();
        VirtMachine? machine = null;
        bool quits = false;
        try
        {
            (string? kernel, string? initrd) = options.Guest is { } guest ? GuestImages.Find(guest) : (options.Kernel, options.Initrd);
            IConsoleBackend? console = OpenConsole(options.Console, () =>
            {
                Interlocked.Exchange(ref quits, true);
                Volatile.Read(ref machine)?.Shutdown();
            });
            using MachineParts? parts = options.QmpPath is null ? null : new MachineParts(TimeProvider.System);
            Interlocked.Exchange(
                ref machine, new VirtMachine(Build(options, kernel, options.Initrd ?? initrd, console, parts)));
            foreach (string chardev in options.Chardevs)
            {
                parts!.AddChardev(chardev);
            }

            foreach (string one in options.Objects)
            {
                parts!.AddObject(one);
            }

            using ReplicationMonitor? replication = options.QmpPath is null
                ? null
                : new ReplicationMonitor(machine, options.Incoming, parts);
            using MachineMonitor? monitor = options.QmpPath is { } path
                ? new MachineMonitor(machine, path, replication, parts) : null;
            if (options.Restore is { } file)
            {
                Restore(machine, file);
            }

            if (Volatile.Read(ref quits))
            {
                // The keys may have been faster than the machine's making.
                machine.Shutdown();
            }
            else if (options.Incoming is null && !options.Stopped)
            {
                // A chardev with wait=on keeps the guest from starting; the monitor is there already.
                parts?.WaitForPeers(machine.Completion);
                machine.Start();
            }

            return machine.Completion.GetAwaiter().GetResult().Code;
        }
        catch (Exception e) when (e is LoadException or IOException or ArgumentException)
        {
            throw new CommandLineException(e.Message);
        }
        finally
        {
            machine?.Dispose();
        }
    }

    private static MachineOptions Build(
        VmRunOptions options, string? kernel, string? initrd, IConsoleBackend? console, MachineParts? parts) => new()
    {
        MemoryBytes = options.MemoryBytes,
        HartCount = options.HartCount,
        KernelPath = kernel,
        InitrdPath = initrd,
        CommandLine = options.Append ?? DefaultCommandLine,
        Firmware = options.Bios switch
        {
            null => FirmwareKind.BuiltIn,
            "none" => FirmwareKind.None,
            _ => FirmwareKind.File,
        },
        FirmwarePath = options.Bios is null or "none" ? null : options.Bios,
        DeviceTreePath = options.DeviceTree,
        Disks = [.. options.Disks.Select((d, i) => d.Open(i, parts))],
        Nics = [.. options.Nics.Select((n, i) => n.Open(i, parts))],
        Console = console,
        Seed = options.Seed ?? (options.Clock == ClockMode.InstructionCount ? 1ul : null),
        Clock = options.Clock,
        Hart = new HartOptions { Tier = options.Tier, CompileThresholdAtOnce = CompileThresholdAtOnce },
        HartThreads = options.HartThreads,
    };

    private static IConsoleBackend? OpenConsole(string text, Action quit) => text switch
    {
        "stdio" => new StdioConsole(quit),
        "none" => null,
        _ => new FileConsole(text["file:".Length..]),
    };

    private static void Restore(VirtMachine machine, string file)
    {
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 20);
        RestoreResult result = machine.Restore(stream);
        if (!result.IsOk)
        {
            throw new CommandLineException($"--restore {file}: {result.Error}");
        }
    }
}
