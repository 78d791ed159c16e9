using System.Diagnostics;

namespace Colo.Vmm.Tests.Cpu;

/// <summary>
/// The bare-metal programs on an outside oracle: what they expect of this machine, QEMU's <c>virt</c> board does as
/// well. The few cases in which QEMU 7.2 departs from the manual are left out there, each with its reason in the
/// source.
/// </summary>
[Trait("Category", "e2e")]
public sealed class BareMetalOracleTests
{
    private const string Emulator = "/usr/bin/qemu-system-riscv64";

    [Theory]
    [InlineData("csr")]
    [InlineData("paging")]
    [InlineData("interrupts")]
    [InlineData("memory")]
    [InlineData("status")]
    public void Program_passes_on_qemu(string name)
    {
        Assert.True(File.Exists(Emulator), "qemu-system-riscv64 is needed: install qemu-system-misc");
        string elf = Path.Combine(Path.GetTempPath(), $"colo-{Guid.NewGuid():N}.elf");
        try
        {
            File.WriteAllBytes(elf, BareMetal.Build("baremetal", name + ".S", "-DORACLE_QEMU_7"));
            // smaia gives QEMU the manual's order of interrupts, icount a counter of instructions.
            string arguments = "-M virt -cpu rv64,h=off,x-smaia=on,sstc=on -icount 0 -m 64M -display none -serial none "
                + "-monitor none -bios none -kernel " + elf;
            using Process process = Process.Start(
                new ProcessStartInfo(Emulator, arguments) { RedirectStandardError = true })!;
            Task<string> errors = process.StandardError.ReadToEndAsync();
            bool ended = process.WaitForExit(TimeSpan.FromMinutes(2));
            if (!ended)
            {
                process.Kill();
            }

            Assert.True(ended, $"{name} did not end on QEMU: {errors.Result}");
            Assert.True(process.ExitCode == 0, $"{name}: case {process.ExitCode} fails on QEMU: {errors.Result}");
        }
        finally
        {
            File.Delete(elf);
        }
    }
}
