namespace Colo.Host.Configuration;

/// <summary>Finds keys that nothing reads: a mistyped key must not look like a setting that was taken.</summary>
internal static class UnknownKeys
{
    private const string Vms = "colo.vms.";

    /// <summary>
    /// Reports every key below <c>colo</c> that reference.conf does not know. Names of peers and VMs are free.
    /// </summary>
    public static void Report(ConfigurationLoader loader, KeyReader keys)
    {
        foreach (
            string path in loader.Keys.Where(path => path.StartsWith("colo.", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal))
        {
            if (!path.Contains('[', StringComparison.Ordinal) && !IsKnown(path))
            {
                keys.Wrong(path, "is not a key of Colo; hocon/reference.conf has all of them");
            }
        }
    }

    private static bool IsKnown(string path)
    {
        if (path is "colo.peers" or "colo.vms" || path.StartsWith("colo.peers.", StringComparison.Ordinal))
        {
            return true;
        }

        if (path.StartsWith(Vms, StringComparison.Ordinal))
        {
            string[] parts = path[Vms.Length..].Split('.', 2);
            return parts.Length == 1 || ConfigurationLoader.Reference.HasPath($"colo.vm-defaults.{parts[1]}");
        }

        return ConfigurationLoader.Reference.HasPath(path);
    }
}
