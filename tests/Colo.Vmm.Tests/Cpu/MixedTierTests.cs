using Colo.Vmm.Cpu;
using Colo.Vmm.Cpu.Compiled;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Tests.Cpu;

/// <summary>
/// Programs whose tier changes at random instructions stand, at each of them, exactly where the interpreter stands
/// alone: registers, CSRs, count of instructions, and memory at the end.
/// </summary>
public sealed class MixedTierTests
{
    [Theory]
    [InlineData("csr", 1)]
    [InlineData("paging", 2)]
    [InlineData("interrupts", 3)]
    [InlineData("memory", 4)]
    [InlineData("status", 18)]
    public void Bare_metal_programs_pass_when_the_tier_changes_at_random_instructions(string name, int seed) =>
        Assert.Equal(0UL, RunMixed(BareMetal.Build("baremetal", name + ".S"), seed, 400, 2_000_000));

    [Theory]
    [InlineData(5)]
    [InlineData(6)]
    public void The_integer_kernels_give_the_same_trace_in_every_tier(int seed) =>
        Assert.Equal(0UL, RunMixed(BareMetal.Build("bench", "start.S kernels.c", "-DROUNDS=20 -DEXPECTED=0x4d2c"), seed, 60_000, 20_000_000));

    [Theory]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(9)]
    public void Loops_with_page_faults_and_code_that_changes_give_the_same_trace_in_every_tier(int seed) =>
        Assert.Equal(0UL, RunMixed(BareMetal.Build("baremetal", "churn.S", $"-DSEED={seed}"), seed, 60_000, 20_000_000));

    [Theory]
    [InlineData(15)]
    [InlineData(16)]
    public void Random_programs_whose_pages_come_and_go_give_the_same_trace_in_every_tier(int seed) =>
        Assert.Equal(0UL, RunMixed(WanderProgram.Build(seed, 200), seed, 6_000, 20_000_000));

    [Theory]
    [InlineData(CodeTierMode.Compiled, 2000)]
    [InlineData(CodeTierMode.Auto, 3)]
    [InlineData(CodeTierMode.Auto, 200)]
    public void Loops_with_page_faults_and_code_that_changes_pass_in_one_tier(CodeTierMode tier, int threshold)
    {
        byte[] elf = BareMetal.Build("baremetal", "churn.S", "-DSEED=10");
        (ulong expected, ulong retired) = Run(elf, HartOptions.Default with { Tier = CodeTierMode.Interpreter });
        Assert.Equal(0UL, expected);
        Assert.Equal((expected, retired), Run(elf, HartOptions.Default with { Tier = tier, CompileThreshold = threshold }));
    }

    [Theory]
    [InlineData(17)]
    public void Calls_from_page_to_page_give_the_same_trace_in_every_tier(int seed) =>
        Assert.Equal(0UL, RunMixed(BuildCalls(), seed, 60_000, 20_000_000));

    [Fact]
    public void Calls_from_page_to_page_do_not_leave_compiled_code()
    {
        HartOptions options = HartOptions.Default with { Tier = CodeTierMode.Compiled, CompileThresholdAtOnce = 5 };
        (GuestRam ram, Hart hart, ulong toHost) = BareMetal.Load(BuildCalls(), options);
        using (ram)
        using (hart)
        {
            Assert.Equal(0UL, BareMetal.Run(ram, hart, toHost));
            RegionCounters counters = hart.TierCounters!;
            long exits = counters.Exits.Sum();
            Assert.True(counters.Chained > 20 * exits, $"{counters.Chained} jumps, {exits} exits");
        }
    }

    [Fact]
    public void Compiled_code_stays_within_its_bound()
    {
        byte[] elf = BareMetal.Build("bench", "start.S kernels.c", "-DROUNDS=20 -DEXPECTED=0x4d2c");
        HartOptions options = HartOptions.Default with { Tier = CodeTierMode.Compiled, CompiledInstructionsMax = 300 };
        (GuestRam ram, Hart hart, ulong toHost) = BareMetal.Load(elf, options);
        using (ram)
        using (hart)
        {
            Assert.Equal(0UL, BareMetal.Run(ram, hart, toHost));
            Assert.NotNull(hart.TierCounters);
            Assert.True(hart.TierCounters.Evicted > 0, "nothing was evicted");
        }
    }

    [Fact]
    public void A_second_hart_gets_what_the_first_one_has_had_compiled()
    {
        byte[] elf = BareMetal.Build("bench", "start.S kernels.c", "-DROUNDS=2");
        HartOptions options = HartOptions.Default with { Tier = CodeTierMode.Compiled };
        (GuestRam ram, Hart unused, ulong toHost) = BareMetal.Load(elf, options);
        using (ram)
        using (unused)
        using (var library = new RegionLibrary(ram))
        {
            RegionCounters counters = new();
            for (int i = 0; i < 2; i++)
            {
                using Hart hart = new(0, ram, new EmptyBus(), new ZeroClock(), options, library);
                hart.Reset(BareMetal.RamBase, PrivilegeMode.Machine);
                Assert.True(ram.TryWriteUInt64(toHost, 0));
                BareMetal.Run(ram, hart, toHost);
                counters = hart.TierCounters!;
            }

            Assert.True(counters.Compiled > 0);
            Assert.Equal(counters.Compiled, counters.Shared);
        }
    }

    private static byte[] BuildCalls() => BareMetal.Build("bench", "start.S invoke.c", "-DROUNDS=1500");

    private static (ulong Code, ulong Retired) Run(byte[] elf, HartOptions options)
    {
        (GuestRam ram, Hart hart, ulong toHost) = BareMetal.Load(elf, options);
        using (ram)
        using (hart)
        {
            ulong code = BareMetal.Run(ram, hart, toHost, 10_000);
            return (code, hart.InstructionsRetired);
        }
    }

    private static ulong RunMixed(byte[] elf, int seed, int stepMax, long limit)
    {
        HartOptions interpreter = HartOptions.Default with { Tier = CodeTierMode.Interpreter };
        (GuestRam ram, Hart reference, ulong toHost) = BareMetal.Load(elf, interpreter);
        (GuestRam mixedRam, Hart first, _) = BareMetal.Load(elf, interpreter);
        using (ram)
        using (reference)
        using (mixedRam)
        using (first)
        using (Hart second = New(mixedRam, HartOptions.Default with { Tier = CodeTierMode.Compiled }))
        using (Hart third = New(mixedRam, HartOptions.Default with { Tier = CodeTierMode.Auto, CompileThreshold = 3 }))
        {
            Hart[] harts = [first, second, third];
            Hart current = first;
            Random random = new(seed);
            while (limit > 0)
            {
                int steps = random.Next(1, stepMax);
                HartStop stop = reference.Run(steps);
                Assert.Equal(stop, current.Run(steps));
                AssertSameState(reference.Save(), current.Save(), seed);
                limit -= steps;
                Assert.True(mixedRam.TryReadUInt64(toHost, out ulong value));
                if (value != 0)
                {
                    AssertSameMemory(ram, mixedRam, seed);
                    return value >> 1;
                }

                Hart next = harts[random.Next(harts.Length)];
                if (next != current)
                {
                    next.Restore(current.Save());
                    current = next;
                }
            }

            throw new InvalidOperationException($"seed {seed}: program did not end; pc 0x{reference.Pc:x}");
        }
    }

    private static Hart New(GuestRam ram, HartOptions options) => new(0, ram, new EmptyBus(), new ZeroClock(), options);

    private static void AssertSameMemory(GuestRam expected, GuestRam actual, int seed)
    {
        for (int page = 0; page < expected.PageCount; page++)
        {
            Assert.True(expected.ReadPage(page).SequenceEqual(actual.ReadPage(page)), $"seed {seed}: page {page} differs");
        }
    }

    private static unsafe void AssertSameState(HartState expected, HartState actual, int seed)
    {
        Span<ulong> left = new(&expected, sizeof(HartState) / 8);
        Span<ulong> right = new(&actual, sizeof(HartState) / 8);
        int at = left.CommonPrefixLength(right);
        Assert.True(
            at == left.Length,
            $"seed {seed}: state differs at word {at} after {expected.InstructionsRetired} instructions, pc 0x{expected.Pc:x}");
    }
}
