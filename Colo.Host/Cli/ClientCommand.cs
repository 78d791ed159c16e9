using System.CommandLine;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
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

    private static readonly Option<bool> AsJson = new(
        "--json") { Description = "Print JSON, one object a line, with a version field; as -o json" };

    private static readonly Option<string?> Format = new(
        "--output", "-o") { Description = "table, wide, json or yaml" };

    private static readonly Option<double?> Watch = new("--watch", "-w")
    {
        Description = "Again every so many seconds (2 when none are given)",
        Arity = ArgumentArity.ZeroOrOne,
    };

    /// <summary>A command that talks to a node.</summary>
    public static Command Online(
        string name, string description, Func<ParseResult, ClientContext, CancellationToken, Task<int>> run,
        params ReadOnlySpan<Symbol> symbols)
    {
        Command command = Create(
            name, description, run, parsed =>
            new NodeClient(ReadUrl(parsed), ReadToken(parsed), ReadAuthority(parsed)), symbols);
        command.Add(Url);
        command.Add(TokenFile);
        command.Add(Authority);
        return command;
    }

    /// <summary>A command that only reads: it can also be repeated until it is interrupted.</summary>
    public static Command Read(
        string name, string description, Func<ParseResult, ClientContext, CancellationToken, Task<int>> run,
        params ReadOnlySpan<Symbol> symbols)
    {
        Command command = Online(
            name, description, (parsed, context, cancellation) =>
            RepeatAsync(parsed, context, run, cancellation), symbols);
        command.Add(Watch);
        return command;
    }

    /// <summary>A command that needs no node.</summary>
    public static Command Offline(
        string name, string description, Func<ParseResult, ClientContext, CancellationToken, Task<int>> run,
        params ReadOnlySpan<Symbol> symbols) =>
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
        command.Add(Format);
        command.SetAction((parsed, cancellation) => RunAsync(parsed, run, connect, cancellation));
        return command;
    }

    private static async Task<int> RunAsync(
        ParseResult parsed, Func<ParseResult, ClientContext, CancellationToken, Task<int>> run,
        Func<ParseResult, NodeClient>? connect, CancellationToken cancellation)
    {
        OutputFormat format = parsed.GetValue(AsJson) ? OutputFormat.Json : FormatOf(parsed.GetValue(Format));
        var context = new ClientContext(
            null, format, parsed.InvocationConfiguration.Output, parsed.InvocationConfiguration.Error);
        try
        {
            using NodeClient? node = connect?.Invoke(parsed);
            context = new ClientContext(node, format, context.Output, context.Error);
            return await run(parsed, context, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ClientException or CommandLineException)
        {
            int exitCode = (e as ClientException)?.ExitCode ?? ExitCode.Usage;
            if (context.Json)
            {
                context.WriteJson(new { version = 1, error = new { exitCode, text = e.Message } });
            }

            await context.Error.WriteLineAsync($"colo: {e.Message}").ConfigureAwait(false);
            return exitCode;
        }
    }

    private static OutputFormat FormatOf(string? text) => text switch
    {
        null or "table" => OutputFormat.Table,
        "wide" => OutputFormat.Wide,
        "json" => OutputFormat.Json,
        "yaml" => OutputFormat.Yaml,
        _ => throw new CommandLineException($"--output {text}: expected table, wide, json or yaml"),
    };

    private static async Task<int> RepeatAsync(
        ParseResult parsed, ClientContext context, Func<ParseResult, ClientContext, CancellationToken, Task<int>> run,
        CancellationToken cancellation)
    {
        if (parsed.GetResult(Watch) is not { } watch)
        {
            return await run(parsed, context, cancellation).ConfigureAwait(false);
        }

        double seconds = parsed.GetValue(Watch) ?? 2;
        if (seconds is not (>= 0.1 and <= 3600))
        {
            throw new CommandLineException($"{watch.Option.Name} {seconds}: expected 0.1 to 3600 seconds");
        }

        while (true)
        {
            if (context.IsTerminal)
            {
                context.Screen.Clear(home: true);
            }

            try
            {
                await run(parsed, context, cancellation).ConfigureAwait(false);
            }
            catch (ClientException e) when (e.ExitCode == ExitCode.Unreachable)
            {
                await context.Error.WriteLineAsync($"colo: {e.Message}").ConfigureAwait(false);
            }

            await Task.Delay(TimeSpan.FromSeconds(seconds), cancellation).ConfigureAwait(false);
        }
    }

    private static Uri ReadUrl(ParseResult parsed)
    {
        string text = parsed.GetValue(Url) ?? Named("COLO_URL") ?? DefaultUrl;
        return Uri.TryCreate(text.TrimEnd('/') + "/", UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https"
            ? url
            : throw new CommandLineException($"--url {text}: expected http://HOST:PORT or https://HOST:PORT");
    }

    private static string? ReadToken(ParseResult parsed)
    {
        string? path = parsed.GetValue(TokenFile);
        string? token = path is null ? Named("COLO_TOKEN") : ReadFile("--token-file", path).Trim();
        return token?.Any(letter => letter is < ' ' or > '~') == true
            ? throw new CommandLineException(
                $"{(path is null ? "COLO_TOKEN" : $"--token-file {path}")}: expected one line of printable ASCII")
            : token;
    }

    private static X509Certificate2Collection? ReadAuthority(ParseResult parsed)
    {
        string? path = parsed.GetValue(Authority) ?? Named("COLO_CA");
        if (path is null)
        {
            return null;
        }

        var found = new X509Certificate2Collection();
        try
        {
            found.ImportFromPem(ReadFile("--ca", path));
        }
        catch (CryptographicException)
        {
            // Said below.
        }

        return found.Count > 0 ? found : throw new CommandLineException($"--ca {path}: expected a certificate in PEM");
    }

    private static string? Named(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? value : null;

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
