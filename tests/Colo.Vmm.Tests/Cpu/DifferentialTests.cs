using System.Text;
using Colo.Vmm.Cpu;

namespace Colo.Vmm.Tests.Cpu;

/// <summary>Random programs give the same registers, flags and memory on the hart as under Debian's
/// qemu-riscv64.</summary>
public sealed class DifferentialTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Random_sequences_end_as_under_qemu(int seed) =>
        Check(seed, 400, HartOptions.Default with { Tier = CodeTierMode.Interpreter });

    [Theory]
    [InlineData(5)]
    [InlineData(6)]
    public void Compiled_at_once_they_end_as_under_qemu(int seed) =>
        Check(seed, 25, HartOptions.Default with { Tier = CodeTierMode.Compiled });

    /// <summary>Loops get compiled while they run, so both tiers execute parts of the same sequence.</summary>
    [Theory]
    [InlineData(7)]
    [InlineData(8)]
    public void Compiled_in_the_background_they_end_as_under_qemu(int seed) =>
        Check(seed, 60, HartOptions.Default with { Tier = CodeTierMode.Auto, CompileThreshold = 2 });

    private static void Check(int seed, int sequences, HartOptions options)
    {
        UserProgram program = RandomProgram.Generate(seed, sequences, items: 60);
        Assert.Equal("", Compare(seed, options.Tier, program.RunInQemu(), program.RunOnHart(options)));
    }

    /// <summary>Names the first sequence that differs and every place in it.</summary>
    private static string Compare(int seed, CodeTierMode tier, byte[] expected, byte[] actual)
    {
        if (expected.AsSpan().SequenceEqual(actual))
        {
            return "";
        }

        StringBuilder text = new($"seed {seed}, tier {tier}: {actual.Length} bytes of {expected.Length}");
        int at = expected.AsSpan().CommonPrefixLength(actual);
        int sequence = at / RandomProgram.RecordBytes;
        int start = sequence * RandomProgram.RecordBytes;
        text.Append($", sequence {sequence}:");
        for (int i = 0; i < RandomProgram.RecordBytes / 8 && start + i * 8 + 8 <= Math.Min(expected.Length, actual.Length); i++)
        {
            ulong want = BitConverter.ToUInt64(expected, start + i * 8);
            ulong got = BitConverter.ToUInt64(actual, start + i * 8);
            if (want != got)
            {
                string name = i < 32 ? $"x{i}" : i < 64 ? $"f{i - 32}" : i == 64 ? "fcsr" : $"scratch+{(i - 65) * 8}";
                text.Append($" {name} expected {want:x16} got {got:x16};");
            }
        }

        return text.ToString();
    }
}
