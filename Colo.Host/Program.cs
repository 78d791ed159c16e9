using System.CommandLine;
using System.CommandLine.Parsing;
using Colo.Host.Cli;

namespace Colo.Host;

/// <summary>Entry point of the <c>colo</c> command; each command has its own file in Cli.</summary>
internal static class Program
{
    private const string Title = "Non-stop virtual machines";

    public static int Main(string[] args) => Run(args, Console.Out, Console.Error);

    /// <summary>Runs a command line.</summary>
    /// <returns>An <see cref="ExitCode"/>.</returns>
    internal static int Run(IReadOnlyList<string> args, TextWriter output, TextWriter error)
    {
        ParseResult parsed = (args is ["vm", "run", ..] ? BuildMachineRoot() : BuildRoot()).Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (ParseError problem in parsed.Errors)
            {
                error.WriteLine($"colo: {problem.Message}");
            }

            return ExitCode.Usage;
        }

        try
        {
            return parsed.Invoke(new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
                Output = output,
                Error = error,
            });
        }
        catch (CommandLineException e)
        {
            error.WriteLine($"colo: {e.Message}");
            return ExitCode.Usage;
        }
    }

    /// <summary>The process of a machine loads only what a machine needs: the other commands' libraries would stay in
    /// memory beside its guest's.</summary>
    private static RootCommand BuildMachineRoot() => new(Title) { VmRunCommand.Build() };

    private static RootCommand BuildRoot()
    {
        Command vm = VmRunCommand.Build();
        foreach (Command command in ActCommands.BuildVm().Concat(VmAdminCommands.BuildVm()))
        {
            vm.Add(command);
        }

        var root = new RootCommand(Title)
        {
            vm,
            NodeCommand.Build(),
            DemoCommand.Build(),
            DemoCommand.BuildClient(),
            DemoCommand.BuildWire(),
            LabCommands.BuildBench(),
            LabCommands.BuildTest(),
            StatusCommand.Build(),
            StatusCommand.BuildList(),
            EventsCommand.Build(),
            ConsoleCommand.Build(),
            TopCommand.Build(),
            TapCommand.Build(),
            FaultCommands.Build(),
            DrillCommands.Build(),
            WaitCommand.Build(),
            ExplainCommand.Build(),
            CertCommand.Build(),
            HistoryCommand.Build(),
            CheckpointCommand.Build(),
            CheckCommand.Build(),
            ConfigCommand.Build(),
            SupportCommand.Build(),
            VmAdminCommands.BuildHost(),
        };
        foreach (Command command in ActCommands.Build().Concat(InspectCommands.Build()))
        {
            root.Add(command);
        }

        return root;
    }
}
