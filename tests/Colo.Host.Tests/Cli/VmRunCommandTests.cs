using System.CommandLine;
using Colo.Host.Cli;
using Colo.Vmm.Cpu;
using Colo.Vmm.Machine;

namespace Colo.Host.Tests.Cli;

public class VmRunCommandTests
{
    private static VmRunOptions Read(params string[] arguments)
    {
        var root = new RootCommand { VmRunCommand.Build() };
        ParseResult parsed = root.Parse(["vm", "run", .. arguments]);
        Assert.Empty(parsed.Errors);
        return VmRunCommand.Read(parsed);
    }

    [Fact]
    public void Defaults_are_one_hart_256_mebibytes_and_the_terminal()
    {
        VmRunOptions options = Read("--guest", "debian");
        Assert.Equal(256ul << 20, options.MemoryBytes);
        Assert.Equal(1, options.HartCount);
        Assert.Equal("stdio", options.Console);
        Assert.Equal(ClockMode.RealTime, options.Clock);
        Assert.Equal(CodeTierMode.Auto, options.Tier);
    }

    [Fact]
    public void Cards_and_disks_may_be_repeated()
    {
        VmRunOptions options = Read(
            "--kernel", "k", "--nic", "tap=t0,mac=52:54:00:00:00:09", "--nic", "stream=tcp:localhost:99,listen,dump=a.pcap",
            "--disk", "file=a.img,format=raw,readonly", "--disk", "nbd=nbd://h/x,serial=abc");
        Assert.Equal("t0", options.Nics[0].Tap);
        Assert.Equal(9, options.Nics[0].Mac![5]);
        Assert.Equal(99, options.Nics[1].Stream!.Port);
        Assert.True(options.Nics[1].Listen);
        Assert.True(options.Disks[0].ReadOnly);
        Assert.Equal("nbd://h/x", options.Disks[1].Nbd);
    }

    [Theory]
    [InlineData("--memory 100", "100", "16M")]
    [InlineData("--memory 3M", "3M", "multiple of 2M")]
    [InlineData("--smp 9", "9", "1 to 8")]
    [InlineData("--clock sundial", "sundial", "icount")]
    [InlineData("--tier fast", "fast", "interpreter")]
    [InlineData("--console tty", "tty", "stdio")]
    [InlineData("--qmp tcp:1", "tcp:1", "unix:PATH")]
    [InlineData("--nic tap=", "tap", "tap=NAME")]
    [InlineData("--nic tap=a,mac=01:00:00:00:00:00", "01:00", "unicast")]
    [InlineData("--nic stream=udp:x", "udp:x", "unix:PATH")]
    [InlineData("--disk file=a,format=qcow2", "qcow2", "raw")]
    [InlineData("--disk readonly", "readonly", "file=PATH")]
    [InlineData("--kernel x", "x", "either")]
    public void Bad_value_is_named_with_what_was_expected(string arguments, string value, string expected)
    {
        var error = Assert.Throws<CommandLineException>(() => Read(["--guest", "debian", .. arguments.Split(' ')]));
        Assert.Contains(value, error.Message);
        Assert.Contains(expected, error.Message);
    }

    [Fact]
    public void Process_ends_with_code_2_for_bad_options()
    {
        Assert.Equal(2, Program.Main(["vm", "run", "--smp", "99", "--guest", "debian"]));
        Assert.Equal(2, Program.Main(["vm", "run", "--no-such-option"]));
        Assert.Equal(2, Program.Main(["vm", "run", "--kernel", "/nowhere", "--console", "none"]));
    }

    [Fact]
    public void Escape_key_ends_helps_and_passes_itself()
    {
        int quits = 0;
        int helps = 0;
        var filter = new EscapeFilter(() => quits++, () => helps++);
        byte[] typed = [.. "a\u0001xb\u0001c\u0001\u0001\u0001"u8];
        int kept = filter.Filter(typed);
        Assert.Equal("ab\u0001"u8.ToArray(), typed[..kept]);
        Assert.Equal((1, 1), (quits, helps));
        byte[] rest = [.. "ac"u8];
        Assert.Equal(2, filter.Filter(rest));
        Assert.Equal(1, rest[0]);
    }
}
