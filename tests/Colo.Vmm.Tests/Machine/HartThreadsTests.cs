using Colo.Vmm.Cpu;
using Colo.Vmm.Machine;
using Colo.Vmm.Memory;
using Colo.Vmm.Tests.Cpu;

namespace Colo.Vmm.Tests.Machine;

/// <summary>Harts on threads of their own: guests/harts/storm.c counts what no memory model and no fence may
/// allow.</summary>
public sealed class HartThreadsTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    [Theory]
    [InlineData(8, CodeTierMode.Auto, true, 20)]
    [InlineData(2, CodeTierMode.Interpreter, true, 300)]
    [InlineData(2, CodeTierMode.Auto, true, 400)]
    [InlineData(2, CodeTierMode.Compiled, true, 100)]
    [InlineData(3, CodeTierMode.Auto, false, 20)]
    public async Task Atomics_fences_page_tables_and_code_agree_between_harts(
        int harts, CodeTierMode tier, bool threads, int rounds)
    {
        string flags = $"-DHARTS={harts} -DROUNDS={rounds}";
        ulong errors = ElfImage.Parse(BareMetal.Build("harts", "start.S storm.c", flags), "storm").FindSymbol("errors")!.Value;
        using VirtMachine machine = Storm(harts, tier, threads, flags);
        machine.Start();
        MachineExit exit = await machine.Completion.WaitAsync(Limit);
        Assert.True(machine.Ram.TryReadUInt64(errors, out ulong seen));
        Assert.True(seen == 0, $"errors by kind, a byte each as in storm.c: {seen:x16}");
        Assert.Equal(new MachineExit(MachineExitReason.GuestShutdown, 0), exit);
        bool compiled = machine.TierStatistics is { CompiledInstructions: > 0 };
        Assert.Equal(tier != CodeTierMode.Interpreter, compiled);
    }

    [Theory]
    [InlineData(CodeTierMode.Interpreter)]
    [InlineData(CodeTierMode.Auto)]
    public void The_dirty_log_and_a_capture_are_exact_while_four_harts_write(CodeTierMode tier)
    {
        using VirtMachine machine = Storm(4, tier, true, "-DHARTS=4 -DENDLESS");
        GuestRam ram = machine.Ram;
        machine.Start();
        byte[][] before = Copy(machine);
        for (int round = 0; round < 5; round++)
        {
            // Beginning, taking and comparing all overlap with the guest's writes.
            machine.Pause();
            DirtyPages written = ram.SwapDirty();
            AssertOnlyThese(ram, before, written);
            byte[][] now = Pages(ram);
            using PageCapture capture = ram.BeginCapture(DirtyPages.All(ram.PageCount));
            machine.Resume();
            var page = new byte[GuestRam.PageSize];
            for (int i = 0; i < ram.PageCount; i++)
            {
                Assert.True(capture.TryTake(i, page));
                Assert.True(now[i].AsSpan().SequenceEqual(page), $"round {round}: page {i} was not kept as it was");
            }

            before = now;
        }
    }

    [Fact]
    public void A_machine_saved_while_its_harts_run_goes_on_in_another_one()
    {
        using VirtMachine first = Storm(4, CodeTierMode.Auto, true, "-DHARTS=4 -DENDLESS");
        first.Start();
        Assert.True(SpinWait.SpinUntil(() => first.InstructionsRetired > 5_000_000, Limit));
        first.Pause();
        using var file = new MemoryStream();
        first.Save(file);
        file.Position = 0;
        using VirtMachine second = new(new MachineOptions { MemoryBytes = 16 << 20, HartCount = 4, Seed = 1 });
        Assert.Null(second.Restore(file).Error);
        ulong standing = second.InstructionsRetired;
        second.Start();
        Assert.True(SpinWait.SpinUntil(() => second.InstructionsRetired > standing + 5_000_000, Limit), "it does not run");
    }

    private static VirtMachine Storm(int harts, CodeTierMode tier, bool threads, string flags)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, BareMetal.Build("harts", "start.S storm.c", flags));
            return new VirtMachine(new MachineOptions
            {
                MemoryBytes = 16 << 20,
                HartCount = harts,
                HartThreads = threads,
                KernelPath = path,
                Seed = 1,
                Hart = new HartOptions { Tier = tier, CompileThreshold = 50 },
            });
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static byte[][] Copy(VirtMachine machine)
    {
        machine.Pause();
        machine.Ram.SwapDirty();
        byte[][] pages = Pages(machine.Ram);
        machine.Resume();
        return pages;
    }

    private static byte[][] Pages(GuestRam ram) => [.. Enumerable.Range(0, ram.PageCount).Select(i => ram.ReadPage(i).ToArray())];

    private static void AssertOnlyThese(GuestRam ram, byte[][] before, DirtyPages written)
    {
        for (int i = 0; i < ram.PageCount; i++)
        {
            Assert.True(written.Contains(i) || ram.ReadPage(i).SequenceEqual(before[i]), $"page {i} changed unnoticed");
        }
    }
}
