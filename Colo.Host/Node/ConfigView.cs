namespace Colo.Host.Node;

/// <summary>
/// The effective options of a node, each with the place where it was set. Secrets are named by their files only.
/// </summary>
public sealed record ConfigView(
    int Version, string Node, IReadOnlyList<ConfigEntry> Entries, IReadOnlyList<CommandRecord> Commands)
{
    private const int CommandsMax = 100;

    public static ConfigView Of(NodeRuntime node) =>
        new(1, node.Self.Host.Name, node.ConfigEntries, [.. node.Commands.Records().Take(CommandsMax)]);
}

/// <summary>One key.</summary>
/// <param name="Source">file:line, the name of an environment variable, or reference.conf for a default.</param>
public sealed record ConfigEntry(string Key, string Value, string Source);
