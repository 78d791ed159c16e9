using Colo.Vmm.Cpu;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Tests.Cpu;

/// <summary>The bare-metal programs pass in every tier; a failing one reports the number of its case.</summary>
public sealed class BareMetalTests
{
    [Theory]
    [InlineData("csr", CodeTierMode.Interpreter)]
    [InlineData("csr", CodeTierMode.Compiled)]
    [InlineData("paging", CodeTierMode.Interpreter)]
    [InlineData("paging", CodeTierMode.Compiled)]
    [InlineData("interrupts", CodeTierMode.Interpreter)]
    [InlineData("interrupts", CodeTierMode.Compiled)]
    [InlineData("memory", CodeTierMode.Interpreter)]
    [InlineData("memory", CodeTierMode.Compiled)]
    [InlineData("status", CodeTierMode.Interpreter)]
    [InlineData("status", CodeTierMode.Compiled)]
    public void Program_passes(string name, CodeTierMode tier) =>
        Assert.Equal(0UL, Execute(BareMetal.Build("baremetal", name + ".S"), tier, 100_000));

    [Fact]
    public void Program_passes_when_run_one_instruction_at_a_time() =>
        Assert.Equal(0UL, Execute(BareMetal.Build("baremetal", "paging.S"), CodeTierMode.Interpreter, 1));

    [Theory]
    [InlineData(CodeTierMode.Interpreter)]
    [InlineData(CodeTierMode.Compiled)]
    [InlineData(CodeTierMode.Auto)]
    public void Benchmark_kernels_give_the_same_sum_as_under_qemu(CodeTierMode tier) =>
        Assert.Equal(0UL, Execute(BareMetal.Build("bench", "start.S kernels.c", "-DROUNDS=20 -DEXPECTED=0x4d2c"), tier, 1_000_000));

    [Fact]
    public void Running_allocates_nothing()
    {
        byte[] elf = BareMetal.Build("bench", "start.S kernels.c", "-DROUNDS=1000000");
        (GuestRam ram, Hart hart, _) = BareMetal.Load(elf, HartOptions.Default with { Tier = CodeTierMode.Interpreter });
        using (ram)
        using (hart)
        {
            hart.Run(1_000_000);
            Allocations.None(() => hart.Run(5_000_000));
        }
    }

    private static ulong Execute(byte[] elf, CodeTierMode tier, long slice)
    {
        (GuestRam ram, Hart hart, ulong toHost) = BareMetal.Load(elf, HartOptions.Default with { Tier = tier });
        using (ram)
        using (hart)
        {
            return BareMetal.Run(ram, hart, toHost, slice);
        }
    }
}
