using System.Diagnostics;

namespace Colo.EndToEnd.Machine;

/// <summary>What options of <c>colo vm run</c> do, seen by a program without an operating system.</summary>
[Trait("Category", "e2e")]
public sealed class VmOptionsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("colo-options-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_program_prints_the_tree_it_is_given_into_a_file_or_nowhere_and_ends_with_a_number_from_it()
    {
        string elf = BareGuest.BuildTree(_folder);
        string generated = Path.Combine(_folder, "generated.dtb");
        await using (var vm = new VmProcess(
            _folder, "first", "--bios", "none", "--kernel", elf, "--memory", "16M", "--append", "colo was here",
            "--console", $"file:{generated}"))
        {
            await vm.EndsWithAsync(0);
            Assert.Equal("", vm.Console.Text);
        }

        string source = Dtc("dtb", "dts", generated);
        Assert.Contains("bootargs = \"colo was here\"", source);
        const string root = "/ {\n";
        Assert.Contains(root, source);
        string edited = Path.Combine(_folder, "edited.dts");
        string answer = Path.Combine(_folder, "edited.dtb");
        await File.WriteAllTextAsync(edited, source.Replace(root, root + "colo,exit = <42>;\n"));
        _ = Dtc("dts", "dtb", edited, answer);
        await using (var vm = new VmProcess(
            _folder, "second", "--bios", "none", "--kernel", elf, "--memory", "16M", "--dtb", answer,
            "--console", "none"))
        {
            await vm.EndsWithAsync(42);
            Assert.Equal("", vm.Console.Text);
        }
    }

    [Fact]
    public void The_escape_key_of_a_terminal_ends_the_machine_and_the_terminal_is_as_it_was()
    {
        using var terminal = new TerminalProcess(
            VmProcess.Program(), "vm", "run", "--bios", "none", "--kernel", BareGuest.Build(_folder), "--memory",
            "16M");
        terminal.WaitFor("000000000000c350");
        terminal.Type("\u0001x");
        terminal.RequireEnd(0);
    }

    [Fact]
    public async Task The_escape_key_is_heard_before_there_is_a_machine()
    {
        await using var vm = new VmProcess(
            _folder, "hasty", "--bios", "none", "--kernel", BareGuest.Build(_folder), "--memory", "16M");
        vm.Type("\u0001x");
        await vm.EndsWithAsync(0);
    }

    private static string Dtc(string from, string to, string input, string? output = null)
    {
        var start = new ProcessStartInfo("dtc", ["-q", "-I", from, "-O", to, "-o", output ?? "-", input])
        {
            RedirectStandardOutput = true,
        };
        using Process dtc = Process.Start(start)!;
        string text = dtc.StandardOutput.ReadToEnd();
        dtc.WaitForExit();
        Assert.Equal(0, dtc.ExitCode);
        return text;
    }
}
