using System.CommandLine;
using System.CommandLine.Parsing;
using Colo.Host.Cli;

namespace Colo.Host;

/// <summary>Entry point of the <c>colo</c> command; each command has its own file in Cli.</summary>
internal static class Program
{
    private const int UsageError = 2;

    public static int Main(string[] args)
    {
        var root = new RootCommand("Non-stop virtual machines")
        {
            VmRunCommand.Build(),
        };
        ParseResult parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (ParseError error in parsed.Errors)
            {
                Console.Error.WriteLine($"colo: {error.Message}");
            }

            return UsageError;
        }

        try
        {
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        }
        catch (CommandLineException e)
        {
            Console.Error.WriteLine($"colo: {e.Message}");
            return UsageError;
        }
    }
}
