using System.Text.Json;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Colo.Host.Cli;

/// <summary>Where a command of the operator prints, and the node it talks to.</summary>
internal sealed class ClientContext(NodeClient? node, OutputFormat format, TextWriter output, TextWriter error)
{
    /// <summary>Width of tables in a pipe: nothing is folded there, so that lines can be cut and sorted.</summary>
    private const int PipeWidth = 400;

    public NodeClient Node => node ?? throw new InvalidOperationException("this command has no node");

    /// <summary>Whether a program reads the output, as JSON or as YAML.</summary>
    public bool Json => format is OutputFormat.Json or OutputFormat.Yaml;

    /// <summary>Whether everything is to be shown, however wide it gets.</summary>
    public bool Wide => format == OutputFormat.Wide;

    public TextWriter Output => output;

    public TextWriter Error => error;

    /// <summary>Whether a person at a terminal sees the output.</summary>
    public bool IsTerminal { get; } = ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected;

    /// <summary>Spectre's console on the same output; without colours and escape codes when that is not a
    /// terminal.</summary>
    public IAnsiConsole Screen => field ??= CreateScreen();

    public void WriteJson<T>(T value)
    {
        if (format == OutputFormat.Yaml)
        {
            output.Write("---\n" + Yaml.Of(JsonSerializer.SerializeToElement(value, ClientCommand.Json)));
        }
        else
        {
            output.WriteLine(JsonSerializer.Serialize(value, ClientCommand.Json));
        }
    }

    public void WriteTable(IReadOnlyList<string> headings, IEnumerable<IReadOnlyList<string>> rows) =>
        Screen.Write(TableOf(headings, rows));

    /// <summary>A table without frame, as it stays readable in a pipe and at 80 columns.</summary>
    public static Table TableOf(IReadOnlyList<string> headings, IEnumerable<IReadOnlyList<string>> rows)
    {
        Table table = new Table().NoBorder();
        foreach (string heading in headings)
        {
            table.AddColumn(new TableColumn(new Text(heading)).NoWrap().PadRight(2));
        }

        foreach (IReadOnlyList<string> row in rows)
        {
            table.AddRow(row.Select(IRenderable (cell) => new Text(cell)));
        }

        return table;
    }

    private IAnsiConsole CreateScreen()
    {
        IAnsiConsole screen = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(output),
            Ansi = IsTerminal ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = IsTerminal ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = IsTerminal ? InteractionSupport.Detect : InteractionSupport.No,
        });
        if (!IsTerminal || Wide)
        {
            screen.Profile.Width = PipeWidth;
        }

        return screen;
    }
}
