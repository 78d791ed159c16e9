using System.Diagnostics;
using Colo.Vmm.Cpu;
using Colo.Vmm.Machine;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Tests.Cpu;

/// <summary>
/// Long random programs that fault in the middle of hot code and rewrite it leave, in every tier, the same registers
/// after each round and the same memory as under <c>qemu-system-riscv64</c>.
/// </summary>
[Trait("Category", "e2e")]
public sealed class WanderOracleTests
{
    private const string Emulator = "/usr/bin/qemu-system-riscv64";
    private const int Rounds = 400;

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    [InlineData(13)]
    [InlineData(14)]
    public void Programs_with_page_faults_and_changing_code_end_as_on_qemu(int seed)
    {
        byte[] elf = WanderProgram.Build(seed, Rounds);
        byte[] expected = RunOnQemu(WanderProgram.Build(seed, Rounds, "-DORACLE_QEMU_7"), seed);
        ulong trap = BitConverter.ToUInt64(expected);
        Assert.True(trap == 0, $"seed {seed}: QEMU took trap {trap}");
        foreach (HartOptions options in (HartOptions[])
            [
                new() { Tier = CodeTierMode.Interpreter },
                new() { Tier = CodeTierMode.Compiled },
                new() { Tier = CodeTierMode.Auto, CompileThreshold = 10 },
            ])
        {
            byte[] actual = RunOnHart(elf, options);
            int at = expected.AsSpan().CommonPrefixLength(actual);
            Assert.True(
                at == expected.Length && at == actual.Length,
                $"seed {seed}, tier {options.Tier}: {Place(at)} differ, byte {at} of {expected.Length}");
        }
    }

    private static string Place(int at) =>
        at < 8 ? "trap" : at < 8 + Rounds * 8 ? $"registers after round {(at - 8) / 8}" : "memory";

    private static byte[] RunOnHart(byte[] elf, HartOptions options)
    {
        (GuestRam ram, Hart hart, ulong toHost) = BareMetal.Load(elf, options);
        using (ram)
        using (hart)
        {
            BareMetal.Run(ram, hart, toHost);
            ElfImage image = ElfImage.Parse(elf, "wander");
            ulong start = image.FindSymbol("result")!.Value;
            byte[] result = new byte[image.FindSymbol("result_end")!.Value - start];
            Assert.True(ram.TryRead(start, result));
            return result;
        }
    }

    private static byte[] RunOnQemu(byte[] elf, int seed)
    {
        Assert.True(File.Exists(Emulator), "qemu-system-riscv64 is needed: install qemu-system-misc");
        string path = Path.Combine(Path.GetTempPath(), $"colo-{Guid.NewGuid():N}.elf");
        string output = path + ".out";
        try
        {
            File.WriteAllBytes(path, elf);
            string arguments = "-M virt -cpu rv64,h=off -m 64M -display none -monitor none -bios none "
                + $"-serial file:{output} -kernel {path}";
            ProcessStartInfo start = new(Emulator, arguments) { RedirectStandardError = true };
            using Process process = Process.Start(start)!;
            Task<string> errors = process.StandardError.ReadToEndAsync();
            bool ended = process.WaitForExit(TimeSpan.FromMinutes(2));
            if (!ended)
            {
                process.Kill();
            }

            Assert.True(ended && process.ExitCode == 0, $"seed {seed} did not end on QEMU: {errors.Result}");
            return File.ReadAllBytes(output);
        }
        finally
        {
            File.Delete(path);
            File.Delete(output);
        }
    }
}
