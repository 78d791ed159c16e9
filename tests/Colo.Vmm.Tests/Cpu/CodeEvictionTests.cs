using Colo.Vmm.Cpu;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Tests.Cpu;

/// <summary>A program whose decoded blocks do not fit into the cache at once: they are given up and decoded again, and
/// a store to code is still noticed.</summary>
public sealed class CodeEvictionTests
{
    private const int BlockCount = 9000;
    private const int Rounds = 12;
    private const int Counter = 5;
    private const int RoundsLeft = 6;
    private const int CacheBytes = 512 << 10;

    [Theory]
    [InlineData(CodeTierMode.Interpreter)]
    [InlineData(CodeTierMode.Auto)]
    public void A_program_larger_than_the_cache_gives_the_right_result_also_when_its_code_is_changed(CodeTierMode tier)
    {
        using GuestRam ram = new(BareMetal.RamBase, 16 << 20);
        HartOptions options = new() { Tier = tier, CompileThreshold = 4, DecodedBytesMax = CacheBytes };
        using Hart hart = new(0, ram, new EmptyBus(), new ZeroClock(), options);
        Assert.True(ram.TryWrite(BareMetal.RamBase, Program()));
        Assert.Equal((ulong)BlockCount * Rounds, Run(hart));
        // Blocks in pages whose decoded code was given up long ago, and in the page that was executed last.
        int[] changed = [3, 700, 4000, BlockCount - 2];
        foreach (int block in changed)
        {
            CodeWriter two = new();
            two.Addi(Counter, Counter, 2);
            Assert.True(ram.TryWrite(BareMetal.RamBase + ((ulong)block * 8), two.ToArray()));
        }

        Assert.Equal((ulong)(BlockCount + changed.Length) * Rounds, Run(hart));
        Assert.True(hart.DecodedCodeEvictions > 0, "everything fitted");
    }

    private static ulong Run(Hart hart)
    {
        hart.Reset(BareMetal.RamBase, PrivilegeMode.Machine);
        hart.SetX(Counter, 0);
        hart.SetX(RoundsLeft, Rounds);
        // Every block has two instructions; a round ends with two or three more, and the last stays where it is.
        long budget = Rounds * ((BlockCount * 2L) + 3) + 10_000;
        for (int slice = 0; slice < 100; slice++)
        {
            hart.Run(budget / 100);
        }

        Assert.Equal(0UL, hart.GetX(RoundsLeft));
        return hart.GetX(Counter);
    }

    private static byte[] Program()
    {
        CodeWriter code = new();
        for (int i = 0; i < BlockCount; i++)
        {
            code.Addi(Counter, Counter, 1);
            code.Word(CodeWriter.Jal(0, 4));
        }

        code.Addi(RoundsLeft, RoundsLeft, -1);
        code.Word(CodeWriter.Branch(0, RoundsLeft, 0, 8));
        code.Word(CodeWriter.Jal(0, -code.Position));
        code.Word(CodeWriter.Jal(0, 0));
        return code.ToArray();
    }
}
