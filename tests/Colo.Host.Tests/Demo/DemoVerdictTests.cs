using Colo.Host.Demo;
using Spectre.Console;

namespace Colo.Host.Tests.Demo;

/// <summary>What a demo prints at its end.</summary>
public sealed class DemoVerdictTests
{
    private const int Columns = 80;

    [Fact]
    public void All_of_it_can_be_read_at_80_columns()
    {
        string[] lines = Print(survived: true, error: null);

        Assert.All(lines, line => Assert.InRange(line.Length, 0, Columns));
        string text = string.Join('\n', lines);
        Assert.DoesNotContain("\u2026", text); // an ellipsis
        Assert.All(
            (string[])
            [
                "lost", "host", "fault", "noticed", "term", "won", "taken", "over", "download", "requests", "stood",
                "protected", "again", "node-a", "freeze", "499", "12345", "51235", "101236", "101237", "123456",
                "checkpoints 1063, of them for differing answers 219", "SURVIVED", "25165824",
            ],
            word => Assert.Contains(word, text));
    }

    [Fact]
    public void A_failure_is_told_with_its_cause() => Assert.Contains(
        "FAILED after 25165824 bytes: reset [by peer]", Print(survived: false, error: "reset [by peer]"));

    private static string[] Print(bool survived, string? error)
    {
        FaultReport[] faults =
        [
            new("node-a", "freeze", 499, 12345, 51235, 101236, 101237, 123456),
            new("node-b", "cable", 467, 21, 497, 543, 1073, 2631),
        ];
        var report = new DemoReport(
            survived, true, 25165824, [101236, 543], 483, 25866, 63043, 1063, 219, "periodic", "redis", faults);
        var output = new StringWriter();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(output),
            Ansi = AnsiSupport.No,
            ColorSystem = ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
        });
        console.Profile.Width = Columns;
        DemoVerdict.Write(console, report, error);
        return output.ToString().Split('\n');
    }
}
