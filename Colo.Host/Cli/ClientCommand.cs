using System.CommandLine;
using System.Text.Json;

namespace Colo.Host.Cli;

/// <summary>The options that all of the operator's commands share, and how a command is made of its action.</summary>
internal static class ClientCommand
{
    public const string DefaultUrl = "http://127.0.0.1:8558";

    public static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    private static readonly Option<string?> Url = new("--url")
    {
        Description = $"The node's management address (default: COLO_URL, else {DefaultUrl})",
    };

    private static readonly Option<string?> TokenFile = new("--token-file")
    {
        Description = "File with the bearer token (default: the token in COLO_TOKEN, else none)",
    };

    private static readonly Option<string?> Authority = new("--ca")
    {
        Description = "The cluster's ca.pem for https (default: COLO_CA, else the CAs of the system)",
    };

    private static readonly Option<bool> AsJson = new("--json") { Description = "Print JSON, one object a line, with a version field" };

    /// <summary>A command that talks to a node.</summary>
    public static Command Online(
        string name, string description, Func<ParseResult, ClientContext, CancellationToken, Task<int>> run, params ReadOnlySpan<Symbol> symbols)
    {
        Command command = Create(name, description, run, parsed => new NodeClient(ReadUrl(parsed), ReadToken(parsed), ReadAuthority(parsed)), symbols);
        command.Add(Url);
        command.Add(TokenFile);
        command.Add(Authority);
        return command;
    }

    /// <summary>A command that needs no node.</summary>
    public static Command Offline(
        string name, string description, Func<ParseResult, ClientContext, CancellationToken, Task<int>> run, params ReadOnlySpan<Symbol> symbols) =>
        Create(name, description, run, null, symbols);

    private static Command Create(
        string name, string description, Func<ParseResult, ClientContext, CancellationToken, Task<int>> run,
        Func<ParseResult, NodeClient>? connect, ReadOnlySpan<Symbol> symbols)
    {
        var command = new Command(name, description);
        foreach (Symbol symbol in symbols)
        {
            if (symbol is Argument argument)
            {
                command.Add(argument);
            }
            else
            {
                command.Add((Option)symbol);
            }
        }

        command.Add(AsJson);
        command.SetAction((parsed, cancellation) => RunAsync(parsed, run, connect, cancellation));
        return command;
    }

    private static async Task<int> RunAsync(
        ParseResult parsed, Func<ParseResult, ClientContext, CancellationToken, Task<int>> run,
        Func<ParseResult, NodeClient>? connect, CancellationToken cancellation)
    {
        using NodeClient? node = connect?.Invoke(parsed);
        var context = new ClientContext(
            node, parsed.GetValue(AsJson), parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
        try
        {
            return await run(parsed, context, cancellation).ConfigureAwait(false);
        }
        catch (ClientException e)
        {
            if (context.Json)
            {
                context.WriteJson(new { version = 1, error = new { exitCode = e.ExitCode, text = e.Message } });
            }

            await context.Error.WriteLineAsync($"colo: {e.Message}").ConfigureAwait(false);
            return e.ExitCode;
        }
    }

    private static Uri ReadUrl(ParseResult parsed)
    {
        string text = parsed.GetValue(Url) ?? Named("COLO_URL") ?? DefaultUrl;
        return Uri.TryCreate(text.TrimEnd('/') + "/", UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https"
            ? url
            : throw new CommandLineException($"--url {text}: expected http://HOST:PORT or https://HOST:PORT");
    }

    private static string? ReadToken(ParseResult parsed) =>
        parsed.GetValue(TokenFile) is { } path ? ReadFile("--token-file", path).Trim() : Named("COLO_TOKEN");

    private static string? ReadAuthority(ParseResult parsed)
    {
        string? path = parsed.GetValue(Authority) ?? Named("COLO_CA");
        return path is null ? null : ReadFile("--ca", path);
    }

    private static string? Named(string variable) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? value : null;

    private static string ReadFile(string option, string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandLineException($"{option} {path}: expected a file that can be read: {e.Message}");
        }
    }
}
