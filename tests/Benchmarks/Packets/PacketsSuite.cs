using Colo.Vmm.Tests.Net;

namespace Colo.Benchmarks.Packets;

/// <summary>
/// Our comparer and QEMU's colo-compare on the same equal-stream trace, each in its own process behind the same
/// three Unix sockets. At most 512 frames are under way on each input, half of QEMU's queue bound, because QEMU
/// drops what is beyond it.
/// </summary>
internal static class PacketsSuite
{
    public static void Run(Report report)
    {
        foreach (var (payload, connections, frames) in ((int, int, int)[])
            [(64, 1, 100_000), (64, 1000, 100_000), (1460, 1, 40_000), (1460, 1000, 40_000)])
        {
            var name = $"{payload} B, {connections} connection{(connections == 1 ? "" : "s")}";
            using var qemu = new QemuCompareProcess();
            var theirs = Measure(
                report, "qemu", name, new TraceDriver(payload, connections, qemu.Primary, qemu.Secondary, qemu.Output),
                () => qemu.ProcessorTime, frames);
            using var own = new OwnCompareProcess();
            var ours = Measure(
                report, "colo", name, new TraceDriver(payload, connections, own.Primary, own.Secondary, own.Output),
                () => own.ProcessorTime, frames);
            report.AtLeast($"ratio of rates, {name}", 3, ours.Rate / theirs.Rate);
            var cpu = theirs.Cpu / ours.Cpu;
            report.Add(new Figure($"ratio of CPU, {name}", "x", cpu, cpu, cpu));
        }
    }

    private static (double Rate, double Cpu) Measure(
        Report report, string who, string name, TraceDriver driver, Func<TimeSpan> processorTime, int frames)
    {
        List<double> rates = [];
        List<double> costs = [];
        for (var round = 0; round < 9; round++)
        {
            driver.Prepare(frames);
            var before = processorTime();
            var seconds = driver.Run();
            rates.Add(frames / seconds);
            costs.Add((processorTime() - before).TotalNanoseconds / frames);
        }
        var rate = Add(report, $"{who} rate, {name}", "frames/s", rates[2..]);
        var cpu = Add(report, $"{who} CPU a frame, {name}", "ns", costs[2..]);
        return (rate, cpu);
    }

    private static double Add(Report report, string name, string unit, List<double> values)
    {
        values.Sort();
        var median = values[values.Count / 2];
        report.Add(new Figure(name, unit, median, values[0], values[^1]));
        return median;
    }
}
