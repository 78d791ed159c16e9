using Colo.Vmm.Cpu;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Tests.Cpu;

/// <summary>A hart saved and restored at any instruction goes on as if nothing had happened; budgets are
/// exact.</summary>
public sealed class HartStateTests
{
    private const int Instructions = 300_000;

    [Theory]
    [InlineData(1, CodeTierMode.Interpreter)]
    [InlineData(2, CodeTierMode.Compiled)]
    [InlineData(3, CodeTierMode.Auto)]
    public void Saved_and_restored_at_random_instructions_it_ends_like_an_uninterrupted_run(int seed, CodeTierMode tier)
    {
        byte[] elf = BareMetal.Build("bench", "start.S kernels.c", "-DROUNDS=1000000");
        HartOptions options = HartOptions.Default with { Tier = tier };
        (GuestRam ram, Hart hart, _) = BareMetal.Load(elf, options);
        (GuestRam otherRam, Hart other, _) = BareMetal.Load(elf, options);
        using (ram)
        using (hart)
        using (otherRam)
        {
            Assert.Equal(HartStop.Budget, hart.Run(Instructions));
            Random random = new(seed);
            long left = Instructions;
            while (left > 0)
            {
                long step = Math.Min(left, random.Next(1, 20_000));
                Assert.Equal(HartStop.Budget, other.Run(step));
                left -= step;
                HartState state = other.Save();
                other.Dispose();
                other = new Hart(0, otherRam, new EmptyBus(), new ZeroClock(), options);
                other.Restore(state);
            }

            Assert.Equal(hart.InstructionsRetired, other.InstructionsRetired);
            AssertSameState(hart.Save(), other.Save(), seed);
            for (int page = 0; page < ram.PageCount; page++)
            {
                Assert.True(ram.ReadPage(page).SequenceEqual(otherRam.ReadPage(page)), $"seed {seed}: page {page} differs");
            }

            other.Dispose();
        }
    }

    [Fact]
    public void Run_retires_exactly_its_budget()
    {
        byte[] elf = BareMetal.Build("bench", "start.S kernels.c", "-DROUNDS=1000000");
        (GuestRam ram, Hart hart, _) = BareMetal.Load(elf, HartOptions.Default);
        using (ram)
        using (hart)
        {
            ulong total = 0;
            for (long budget = 0; budget < 300; budget++)
            {
                Assert.Equal(HartStop.Budget, hart.Run(budget));
                total += (ulong)budget;
                Assert.Equal(total, hart.InstructionsRetired);
            }
        }
    }

    [Fact]
    public async Task RequestStop_from_another_thread_ends_an_endless_loop()
    {
        using GuestRam ram = new(BareMetal.RamBase, 1 << 20);
        Assert.True(ram.TryWriteUInt32(BareMetal.RamBase, 0x6f));
        using Hart hart = new(0, ram, new EmptyBus(), new ZeroClock(), HartOptions.Default);
        Task<HartStop> run = Task.Run(() => hart.Run(long.MaxValue));
        hart.RequestStop();
        Assert.Equal(HartStop.Interrupted, await run.WaitAsync(TimeSpan.FromSeconds(60)));
    }

    private static unsafe void AssertSameState(HartState a, HartState b, int seed)
    {
        Span<ulong> left = new(&a, sizeof(HartState) / 8);
        Span<ulong> right = new(&b, sizeof(HartState) / 8);
        int at = left.CommonPrefixLength(right);
        Assert.True(at == left.Length, $"seed {seed}: state differs at word {at}");
    }
}
