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
            Assert.Equal(0, await vm.ExitCodeAsync());
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
            Assert.Equal(42, await vm.ExitCodeAsync());
            Assert.Equal("", vm.Console.Text);
        }
    }

    /// <summary>A terminal of its own, on which no line is ever ended by the one who types.</summary>
    [Fact]
    public async Task On_a_terminal_the_escape_key_works_at_once_and_ends_the_machine_with_code_0()
    {
        string elf = BareGuest.Build(_folder);
        string command = $"'{VmProcess.Program()}' vm run --bios none --kernel '{elf}' --memory 16M";
        var start = new ProcessStartInfo("script", ["-qfec", command, "/dev/null"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        using Process terminal = Process.Start(start)!;
        try
        {
            var screen = new ConsoleRecorder();
            Task shown = ShowAsync(terminal, screen);
            screen.WaitFor("000000000000c350", VmProcess.Hang);
            terminal.StandardInput.Write("\u0001c");
            terminal.StandardInput.Flush();
            screen.WaitFor("[colo] Ctrl-A x: end the machine", VmProcess.Hang);
            terminal.StandardInput.Write("\u0001x");
            terminal.StandardInput.Flush();
            await shown.WaitAsync(VmProcess.Hang);
            await terminal.WaitForExitAsync().WaitAsync(VmProcess.Hang);
            Assert.Equal(0, terminal.ExitCode);
        }
        finally
        {
            terminal.Kill(entireProcessTree: true);
        }
    }

    private static async Task ShowAsync(Process terminal, ConsoleRecorder screen)
    {
        var buffer = new byte[4096];
        int got;
        while ((got = await terminal.StandardOutput.BaseStream.ReadAsync(buffer)) > 0)
        {
            screen.Write(buffer.AsSpan(0, got));
        }

        screen.Close();
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
