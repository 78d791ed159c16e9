using System.CommandLine;
using Colo.Host.Configuration;
using Colo.Host.Node;

namespace Colo.Host.Cli;

/// <summary>The commands <c>colo config show|validate|diff</c>.</summary>
internal static class ConfigCommand
{
    private static readonly Argument<string> File = new("FILE") { Description = "A node's HOCON file" };
    private static readonly Option<bool> All = new("--all") { Description = "Defaults too" };

    public static Command Build()
    {
        var config = new Command("config", "The options of a node");
        config.Add(ClientCommand.Read("show", "The options in force, each with where it was set", ShowAsync, All));
        config.Add(
            ClientCommand.Offline(
            "validate", "Everything that is wrong with a node's file, without a node", ValidateAsync, File));
        config.Add(
            ClientCommand.Online(
            "diff", "What a file would change of the running node; takes force at its next start", DiffAsync, File));
        return config;
    }

    private static async Task<int> ShowAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        ConfigView view = await context.Node.GetAsync<ConfigView>("config", cancellation).ConfigureAwait(false);
        IReadOnlyList<ConfigEntry> entries =
            [.. view.Entries.Where(entry => parsed.GetValue(All) || entry.Source != "reference.conf")];
        if (context.Json)
        {
            context.WriteJson(new { version = 1, view.Node, entries });
        }
        else
        {
            context.WriteTable(
                ["KEY", "VALUE", "SET IN"],
                entries.Select(entry => (IReadOnlyList<string>)[entry.Key, entry.Value, entry.Source]));
        }

        return ExitCode.Done;
    }

    private static Task<int> ValidateAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        ConfigurationLoader loader = ConfigurationLoader.Load(
            parsed.GetValue(File)!, CheckCommand.EnvironmentVariables());
        NodeOptions? options = NodeOptionsReader.Read(loader, out IReadOnlyList<ConfigurationError> errors);
        if (context.Json)
        {
            context.WriteJson(
                new { version = 1, valid = options is not null, errors = errors.Select(error => error.ToString()) });
        }
        else
        {
            foreach (ConfigurationError error in errors)
            {
                context.Output.WriteLine(error.ToString());
            }

            context.Output.WriteLine(
                options is null
                ? $"{errors.Count} errors: the node would not start"
                : $"valid: node {options.Name}, {options.Vms.Count} VMs");
        }

        return Task.FromResult(options is null ? ExitCode.Failed : ExitCode.Done);
    }

    private static async Task<int> DiffAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        ConfigurationLoader loader = ConfigurationLoader.Load(
            parsed.GetValue(File)!, CheckCommand.EnvironmentVariables());
        if (NodeOptionsReader.Read(loader, out IReadOnlyList<ConfigurationError> errors) is null)
        {
            throw new ClientException(ExitCode.Failed, string.Join(Environment.NewLine, errors));
        }

        ConfigView view = await context.Node.GetAsync<ConfigView>("config", cancellation).ConfigureAwait(false);
        Dictionary<string,
        string> running = view.Entries.ToDictionary(entry => entry.Key, entry => entry.Value, StringComparer.Ordinal);
        Dictionary<string,
        string> file = EffectiveKeys.Of(loader)
            .ToDictionary(entry => entry.Key, entry => entry.Value, StringComparer.Ordinal);
        var changes = running.Keys.Union(file.Keys).Order(StringComparer.Ordinal)
            .Select(key => (Key: key, From: running.GetValueOrDefault(key), To: file.GetValueOrDefault(key)))
            .Where(change => change.From != change.To).ToList();
        if (context.Json)
        {
            context.WriteJson(
                new { version = 1, view.Node,
                changes = changes.Select(change => new { change.Key, change.From, change.To }) });
        }
        else
        {
            foreach ((string key, string? from, string? to) in changes)
            {
                await context.Output.WriteLineAsync(
                    from is null ? $"+ {key} = {to}" : to is null ? $"- {key} = {from}" : $"~ {key} = {from} -> {to}")
                    .ConfigureAwait(false);
            }

            await context.Output.WriteLineAsync(
                changes.Count == 0
                ? "no difference" : $"{changes.Count} differences; each takes force when the node is started again")
                .ConfigureAwait(false);
        }

        return ExitCode.Done;
    }
}
