using System.CommandLine;
using Colo.Vmm.Cpu;
using Colo.Vmm.Machine;
using Colo.Vmm.Net.Backends;

namespace Colo.Host.Cli;

/// <summary>The command <c>colo vm run</c>: its options, their help, and the checks that need no file.</summary>
internal static class VmRunCommand
{
    private static readonly Option<string?> Guest = new("--guest") { Description = "Ready guest: debian or debian-redis" };
    private static readonly Option<string?> Kernel = new("--kernel") { Description = "Linux Image, gzip of one, or RISC-V ELF file" };
    private static readonly Option<string?> Initrd = new("--initrd") { Description = "Initramfs" };
    private static readonly Option<string?> Append = new("--append") { Description = "Kernel command line (default: console=ttyS0)" };
    private static readonly Option<string> Memory = new("--memory", "-m") { Description = "RAM, for example 512M or 2G", DefaultValueFactory = _ => "256M" };
    private static readonly Option<string> Harts = new("--smp") { Description = "Number of harts, 1 to 8", DefaultValueFactory = _ => "1" };
    private static readonly Option<string> HartThreads = new("--smp-threads")
    {
        Description = "on: a thread for each hart; off: all harts in turn on one, as always with --clock icount",
        DefaultValueFactory = _ => "on",
    };
    private static readonly Option<string?> Bios = new("--bios") { Description = "M-mode firmware file, or none to start an ELF kernel in M-mode (default: built-in SBI)" };
    private static readonly Option<string?> DeviceTree = new("--dtb") { Description = "Device tree blob in place of the generated one" };
    private static readonly Option<string[]> Disk = new("--disk") { Description = "file=PATH[,format=raw][,readonly][,serial=] or nbd=URI, [,id=][,node=][,replication=secondary,buffer=PATH]; may be repeated" };
    private static readonly Option<string[]> Nic = new("--nic") { Description = "tap=NAME or stream=unix:PATH|tcp:HOST:PORT[,listen], [,mac=][,mtu=][,id=][,dump=FILE.pcap]; may be repeated" };
    private static readonly Option<string> Terminal = new("--console") { Description = "stdio, file:PATH or none", DefaultValueFactory = _ => "stdio" };
    private static readonly Option<string?> Qmp = new("--qmp") { Description = "Monitor socket: unix:PATH" };
    private static readonly Option<string> Clock = new("--clock") { Description = "realtime, or icount: time follows the instruction count", DefaultValueFactory = _ => "realtime" };
    private static readonly Option<string> Tier = new("--tier") { Description = "auto, interpreter or compiled", DefaultValueFactory = _ => "auto" };
    private static readonly Option<string?> Restore = new("--restore") { Description = "Start from a saved machine" };
    private static readonly Option<string?> Incoming = new("--incoming")
    {
        Description = "Wait for the machine's state: tcp:HOST:PORT, unix:PATH or defer",
    };

    private static readonly Option<bool> Stopped = new("-S")
    {
        Description = "Do not run the guest before the monitor's cont",
    };

    private static readonly Option<string[]> Chardev = new("--chardev")
    {
        Description = "socket,id=ID,host=H,port=P|path=P[,server=on][,wait=off][,reconnect-ms=N], as QEMU's; may be repeated",
    };

    private static readonly Option<string[]> Object = new("--object")
    {
        Description = "filter-mirror, filter-redirector, filter-rewriter, filter-buffer, colo-compare or iothread with "
            + "QEMU's properties: TYPE,id=ID,...; may be repeated",
    };

    private static readonly Option<string?> Seed = new("--seed") { Description = "Seed of the guest's randomness (default: random; 1 with --clock icount)" };

    public static Command Build()
    {
        var run = new Command("run", "Run one machine without a cluster. Ctrl-A x ends it, Ctrl-A c shows help.")
        {
            Guest, Kernel, Initrd, Append, Memory, Harts, HartThreads, Bios, DeviceTree, Disk, Nic, Terminal, Qmp, Clock, Tier,
            Restore, Seed, Incoming, Stopped, Chardev, Object,
        };
        run.SetAction(parsed => VmRunner.Run(Read(parsed)));
        return new Command("vm", "Run and inspect machines on this host") { run };
    }

    internal static VmRunOptions Read(ParseResult parsed)
    {
        var options = new VmRunOptions
        {
            Guest = parsed.GetValue(Guest),
            Kernel = parsed.GetValue(Kernel),
            Initrd = parsed.GetValue(Initrd),
            Append = parsed.GetValue(Append),
            MemoryBytes = ReadMemory(parsed.GetValue(Memory)!),
            HartCount = ReadHarts(parsed.GetValue(Harts)!),
            HartThreads = Choose("--smp-threads", parsed.GetValue(HartThreads)!, ("on", true), ("off", false)),
            Bios = parsed.GetValue(Bios),
            DeviceTree = parsed.GetValue(DeviceTree),
            Disks = [.. (parsed.GetValue(Disk) ?? []).Select(DiskOption.Parse)],
            Nics = [.. (parsed.GetValue(Nic) ?? []).Select(NicOption.Parse)],
            Console = ReadConsole(parsed.GetValue(Terminal)!),
            QmpPath = ReadQmp(parsed.GetValue(Qmp)),
            Chardevs = parsed.GetValue(Chardev) ?? [],
            Objects = parsed.GetValue(Object) ?? [],
            Clock = Choose("--clock", parsed.GetValue(Clock)!, ("realtime", ClockMode.RealTime), ("icount", ClockMode.InstructionCount)),
            Tier = Choose(
                "--tier", parsed.GetValue(Tier)!, ("auto", CodeTierMode.Auto), ("interpreter", CodeTierMode.Interpreter),
                ("compiled", CodeTierMode.Compiled)),
            Restore = parsed.GetValue(Restore),
            Incoming = ReadIncoming(parsed.GetValue(Incoming)),
            Stopped = parsed.GetValue(Stopped),
            Seed = ReadSeed(parsed.GetValue(Seed)),
        };
        if (options.Guest is not null && options.Kernel is not null)
        {
            throw new CommandLineException($"--kernel {options.Kernel}: expected either --guest or --kernel");
        }

        if ((options.Incoming is not null || options.Stopped) && options.QmpPath is null)
        {
            throw new CommandLineException(
                "--incoming and -S are ended by the monitor: expected --qmp unix:PATH as well");
        }

        if ((options.Chardevs.Count > 0 || options.Objects.Count > 0) && options.QmpPath is null)
        {
            throw new CommandLineException(
                "--chardev and --object are for the monitor's COLO: expected --qmp unix:PATH as well");
        }

        return options.Guest is null && options.Kernel is null && options.Restore is null
            ? throw new CommandLineException("nothing to run: expected --guest debian, --kernel FILE or --restore FILE")
            : options;
    }

    private static ulong ReadMemory(string text) => OptionText.ParseSize(text) is { } size
        && size is >= MachineOptions.MemoryMin and <= MachineOptions.MemoryMax && size % (2 << 20) == 0
        ? size
        : throw new CommandLineException($"--memory {text}: expected a multiple of 2M from 16M to 64G, for example 512M");

    private static int ReadHarts(string text) => int.TryParse(text, out int harts) && harts is >= 1 and <= MachineOptions.HartCountMax
        ? harts
        : throw new CommandLineException($"--smp {text}: expected 1 to {MachineOptions.HartCountMax}");

    private static string ReadConsole(string text) => text is "stdio" or "none" || (text.StartsWith("file:", StringComparison.Ordinal) && text.Length > 5)
        ? text
        : throw new CommandLineException($"--console {text}: expected stdio, file:PATH or none");

    private static string? ReadQmp(string? text) => text is null ? null
        : text.StartsWith("unix:", StringComparison.Ordinal) && text.Length > 5 ? text[5..]
        : throw new CommandLineException($"--qmp {text}: expected unix:PATH");

    private static string? ReadIncoming(string? text)
    {
        string error = "";
        return text is null or "defer" || StreamEndpoint.TryParse(text, out _, out error)
            ? text
            : throw new CommandLineException($"--incoming {error}, or defer");
    }

    private static ulong? ReadSeed(string? text) => text is null ? null
        : ulong.TryParse(text, out ulong seed) ? seed
        : throw new CommandLineException($"--seed {text}: expected a number");

    private static T Choose<T>(string option, string text, params ReadOnlySpan<(string Name, T Value)> choices)
    {
        var names = new List<string>();
        foreach ((string name, T value) in choices)
        {
            if (name == text)
            {
                return value;
            }

            names.Add(name);
        }

        throw new CommandLineException($"{option} {text}: expected {string.Join(", ", names)}");
    }
}
