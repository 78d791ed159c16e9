using Colo.Host.Configuration;

namespace Colo.Host.Cluster;

/// <summary>
/// The definition of one VM as a text of its own: HOCON or JSON, the keys of <c>colo.vm-defaults</c> without a prefix.
/// </summary>
public static class VmText
{
    private static readonly Dictionary<string, string> NoEnvironment = [];

    /// <summary>Reads and checks a definition.</summary>
    /// <param name="place">What stands before the line number in messages.</param>
    /// <returns>Null when there are errors.</returns>
    public static VmDefinition? Read(
        string vm, string text, string place, NodeOptions options, out IReadOnlyList<ConfigurationError> errors)
    {
        ConfigurationLoader loader = ConfigurationLoader.Parse(Wrap(vm, text), place, NoEnvironment);
        var keys = new KeyReader(loader);
        UnknownKeys.Report(loader, keys);
        VmDefinition? definition = loader.Errors.Count == 0
            ? VmDefinitionReader.Read(keys, vm, options.Name, [.. options.Peers.Select(peer => peer.Host.Name)])
            : null;
        errors = [.. loader.Errors, .. keys.Errors];
        return errors.Count == 0 ? definition : null;
    }

    /// <summary>Whether the text says on which nodes the VM may run.</summary>
    public static bool NamesNodes(string vm, string text)
    {
        ConfigurationLoader loader = ConfigurationLoader.Parse(Wrap(vm, text), "?", NoEnvironment);
        return loader.Errors.Count == 0 && ((loader.Config.GetStringList($"colo.vms.{vm}.nodes", [])?.Count ?? 0) > 0);
    }

    /// <summary>The same definition on these nodes, whatever it said before.</summary>
    public static string WithNodes(string text, IReadOnlyList<string> nodes)
    {
        // The last setting of a key wins, and lines keep their numbers.
        string body = text.TrimEnd();
        bool braces = body.TrimStart().StartsWith('{') && body.EndsWith('}');
        string line = $"nodes = [{string.Join(", ", nodes)}]";
        return braces ? $"{body[..^1].TrimEnd().TrimEnd(',')}\n{line}\n}}" : $"{body}\n{line}\n";
    }

    private static string Wrap(string vm, string text) =>
        text.TrimStart().StartsWith('{') ? $"colo.vms.{vm} {text.TrimStart()}" : $"colo.vms.{vm} {{ {text}\n}}";
}
