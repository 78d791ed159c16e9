using System.Diagnostics;
using Colo.Vmm.Machine;

namespace Colo.EndToEnd.Machine;

[Trait("Category", "e2e")]
public class DeviceTreeTests
{
    [Theory]
    [InlineData(1, FirmwareKind.BuiltIn)]
    [InlineData(8, FirmwareKind.File)]
    public void Device_tree_compiler_accepts_the_generated_tree(int harts, FirmwareKind firmware)
    {
        Assert.True(File.Exists("/usr/bin/dtc"), "the program dtc is needed: install device-tree-compiler");
        var options = new MachineOptions { HartCount = harts, Firmware = firmware, CommandLine = "console=ttyS0 \"quoted\"" };
        string blob = Path.Combine(Path.GetTempPath(), $"colo-{Guid.NewGuid():n}.dtb");
        try
        {
            File.WriteAllBytes(blob, DeviceTree.Build(options, 0x8400_0000, 0x8500_0000, new byte[32]));
            using Process dtc = Process.Start(
                new ProcessStartInfo("/usr/bin/dtc", ["-I", "dtb", "-O", "dts", blob])
                {
                    RedirectStandardOutput = true,
                    RedirectStandardError = true,
                })!;
            Task<string> errors = dtc.StandardError.ReadToEndAsync();
            string source = dtc.StandardOutput.ReadToEnd();
            dtc.WaitForExit();
            Assert.True(dtc.ExitCode == 0, errors.Result);
            Assert.DoesNotContain("ERROR", errors.Result);
            Assert.Equal(harts, source.Split("device_type = \"cpu\"").Length - 1);
            Assert.Contains("linux,initrd-start = <0x00 0x84000000>", source);
        }
        finally
        {
            File.Delete(blob);
        }
    }
}
