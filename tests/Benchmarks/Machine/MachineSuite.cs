using System.Diagnostics;
using Colo.Vmm.Cpu;
using Colo.Vmm.Machine;

namespace Colo.Benchmarks.Machine;

/// <summary>
/// The embedded machine beside <c>qemu-system-riscv64</c> on the same files in the same run: boot of the Debian guest
/// to init and loops of several kinds, some with the interpreter alone; then the machine by itself: two harts against
/// one, a run too short to gain from compiling, pause to resume, and what a whole process of <c>colo vm run</c> holds
/// beyond guest RAM. Ratios are what counts; a speed above 1 means that QEMU needs more time. <c>COLO_BENCH_TIER</c>
/// chooses the tier (default: auto), <c>COLO_BENCH_ROUNDS</c> the rounds (default 3).
/// </summary>
internal static class MachineSuite
{
    private const string Marker = "Run /init as init process";
    private const double PauseMicrosecondsMax = 200;
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);

    private static int Rounds => int.TryParse(Environment.GetEnvironmentVariable("COLO_BENCH_ROUNDS"), out int rounds) ? rounds : 3;

    private static readonly HartOptions Interpreter = new() { Tier = CodeTierMode.Interpreter };

    private static HartOptions Hart => new()
    {
        Tier = Environment.GetEnvironmentVariable("COLO_BENCH_TIER") switch
        {
            "interpreter" => CodeTierMode.Interpreter,
            "compiled" => CodeTierMode.Compiled,
            _ => CodeTierMode.Auto,
        },
    };

    /// <summary>Starts hart 1 at the last instruction through the SBI (HSM hart_start), and goes there
    /// itself.</summary>
    private static uint[] StartOther =>
    [
        0x0048_58b7, 0x34d8_8893, // a7 = 0x48534d
        0x0000_0813, // a6 = 0
        0x0010_0513, // a0 = 1
        0x0000_0597, 0x0105_8593, // a1 = address of the last
        0x0000_0613, // a2 = 0
        0x0000_0073, // ecall
        0x0000_006f,
    ];

    public static void Run(Report report)
    {
        string guest = BenchFiles.DebianGuest();
        string programs = BenchFiles.BuildPrograms();
        PauseToResume(report, "idle guest", [0x1050_0073, 0xffdf_f06f]);
        PauseToResume(report, "busy guest", [0x0000_006f]);
        PauseToResume(report, "two busy harts", StartOther, harts: 2);
        foreach ((string name, string file, double? target) in ((string, string, double?)[])
            [("integer kernel", "kernels", 1.5), ("records and strings", "dhry", 1.5),
                ("calls between pages", "invoke", null), ("memory copy", "copy", 3),
                ("floating point", "float", 1), ("system calls", "calls", 1), ("context switches", "switch", 1)])
        {
            string elf = Path.Combine(programs, file + ".elf");
            Compare(report, name, target, () => RunProgram(elf), () => QemuPeer.RunProgram(elf));
        }

        TwoHarts(report, programs);
        ShortRun(report, Path.Combine(programs, "short", "kernels.elf"));
        Compare(report, "boot to init", 1, () => Boot(guest, Hart), () => QemuPeer.Boot(guest, Marker, Limit));
        string kernels = Path.Combine(programs, "kernels.elf");
        Compare(report, "integer kernel, interpreter alone", 0.2,
            () => RunProgram(kernels, hart: Interpreter), () => QemuPeer.RunProgram(kernels), 1);
        Compare(report, "boot to init, interpreter alone", 1 / 3.0,
            () => Boot(guest, Interpreter), () => QemuPeer.Boot(guest, Marker, Limit), 1);
        (double afterBoot, double filled, double worked) = WholeProcess.Measure();
        const string process = "colo vm run beyond its guest's RAM";
        report.Add(new Figure($"{process}, after boot", "MiB", afterBoot, afterBoot, afterBoot));
        report.AtMost($"{process}, all of it touched", "MiB", 64, filled, filled, filled);
        report.AtMost($"{process}, after work", "MiB", 64, worked, worked, worked);
    }

    /// <summary>
    /// The same work by one hart and by two on threads of their own: how many times faster the two are, and how much
    /// more processor time they take, which other work on the host does not disturb.
    /// </summary>
    private static void TwoHarts(Report report, string programs)
    {
        var ratios = new List<double>();
        var costs = new List<double>();
        for (int round = 0; round < Rounds; round++)
        {
            TimeSpan start = Environment.CpuUsage.TotalTime;
            double one = RunProgram(Path.Combine(programs, "share1.elf"), 2, FirmwareKind.BuiltIn);
            TimeSpan middle = Environment.CpuUsage.TotalTime;
            double two = RunProgram(Path.Combine(programs, "share2.elf"), 2, FirmwareKind.BuiltIn);
            ratios.Add(one / two);
            costs.Add((Environment.CpuUsage.TotalTime - middle) / (middle - start));
        }

        report.AtLeast("two harts, speed against one", 1.7, [.. ratios]);
        report.Add(Summarise("two harts, processor time against one", "ratio", costs));
    }

    /// <summary>Some tens of milliseconds of work, with compiling and without.</summary>
    private static void ShortRun(Report report, string elf)
    {
        const int count = 15;
        var ratios = new List<double>();
        for (int i = 0; i < count; i++)
        {
            ratios.Add(RunProgram(elf) / RunProgram(elf, hart: Interpreter));
        }

        report.AtMost("short run, time against the interpreter alone", 1.05, [.. ratios]);
    }

    /// <summary>Rounds of both in turn, so that a busy host disturbs both alike.</summary>
    private static void Compare(
        Report report, string name, double? target, Func<double> ours, Func<double> peer, int rounds = 0)
    {
        var oursSeconds = new List<double>();
        var peerSeconds = new List<double>();
        for (int round = 0; round < (rounds == 0 ? Rounds : rounds); round++)
        {
            oursSeconds.Add(ours());
            peerSeconds.Add(peer());
        }

        report.Add(Summarise($"{name}, Colo", "s", oursSeconds));
        report.Add(Summarise($"{name}, qemu-system-riscv64", "s", peerSeconds));
        List<double> ratios = [.. oursSeconds.Zip(peerSeconds, (a, b) => b / a)];
        if (target is { } least)
        {
            report.AtLeast($"{name}, speed against QEMU", Math.Round(least, 3), [.. ratios]);
        }
        else
        {
            report.Add(Summarise($"{name}, speed against QEMU", "ratio", ratios));
        }
    }

    private static Figure Summarise(string name, string unit, List<double> values)
    {
        values = [.. values.Order()];
        return new Figure(name, unit, values[values.Count / 2], values[0], values[^1]);
    }

    private static double RunProgram(
        string elf, int harts = 1, FirmwareKind firmware = FirmwareKind.None, HartOptions? hart = null)
    {
        long start = Stopwatch.GetTimestamp();
        using var machine = new VirtMachine(new MachineOptions
        {
            MemoryBytes = 128 << 20,
            KernelPath = elf,
            Firmware = firmware,
            HartCount = harts,
            Hart = hart ?? Hart,
        });
        machine.Start();
        _ = machine.Completion.WaitAsync(Limit).GetAwaiter().GetResult();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double Boot(string guest, HartOptions hart)
    {
        var console = new MarkerConsole(Marker);
        long start = Stopwatch.GetTimestamp();
        var options = new MachineOptions
        {
            MemoryBytes = 256 << 20,
            KernelPath = Path.Combine(guest, "Image"),
            InitrdPath = Path.Combine(guest, "initrd.img"),
            CommandLine = "console=ttyS0",
            Console = console,
            Hart = hart,
        };
        using var machine = new VirtMachine(options);
        machine.Start();
        console.Seen.Task.WaitAsync(Limit).GetAwaiter().GetResult();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static void PauseToResume(Report report, string name, uint[] program, int harts = 1)
    {
        const int count = 2000;
        using var machine = new VirtMachine(new MachineOptions { MemoryBytes = 16 << 20, HartCount = harts, Hart = Hart });
        for (int i = 0; i < program.Length; i++)
        {
            machine.Ram.TryWriteUInt32(machine.Ram.BaseAddress + ((ulong)i * 4), program[i]);
        }

        machine.Start();
        var returned = new double[count];
        var running = new double[count];
        for (int i = 0; i < count; i++)
        {
            // The guest must have run, or fallen asleep, before the next pause.
            SpinWait.SpinUntil(() => !machine.IsParked);
            Thread.SpinWait(20_000);
            long start = Stopwatch.GetTimestamp();
            machine.Pause();
            machine.Resume();
            returned[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
            while (machine.IsParked)
            {
                Thread.SpinWait(10);
            }

            running[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }

        AddPercentiles(report, $"pause to resume, {name}", returned, PauseMicrosecondsMax);
        AddPercentiles(report, $"pause to guest running, {name}", running, double.MaxValue);
    }

    private static void AddPercentiles(Report report, string name, double[] microseconds, double target)
    {
        Array.Sort(microseconds);
        double median = microseconds[microseconds.Length / 2];
        if (target < double.MaxValue)
        {
            report.AtMost($"{name}, p50", "us", target, median, microseconds[0], microseconds[^1]);
        }
        else
        {
            report.Add(new Figure($"{name}, p50", "us", median, microseconds[0], microseconds[^1]));
        }

        report.Add(new Figure($"{name}, p99", "us", microseconds[microseconds.Length * 99 / 100], microseconds[0], microseconds[^1]));
    }
}
