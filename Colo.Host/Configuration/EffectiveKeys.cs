using Akka.Configuration.Hocon;
using Colo.Host.Node;

namespace Colo.Host.Configuration;

/// <summary>Every option that is in force, with where it was set.</summary>
internal static class EffectiveKeys
{
    public static IReadOnlyList<ConfigEntry> Of(ConfigurationLoader loader)
    {
        var set = loader.Keys.ToHashSet(StringComparer.Ordinal);
        var entries = new List<ConfigEntry>();
        foreach (
            string key in ConfigurationLoader.ReferenceKeys.Union(set)
            .Where(key => key.StartsWith("colo.", StringComparison.Ordinal)
            && !key.Contains('[', StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            if (loader.Config.GetValue(key) is { } value && !value.IsObject())
            {
                entries.Add(
                    new ConfigEntry(key, TextOf(value), set.Contains(key) ? loader.PlaceOf(key) : "reference.conf"));
            }
        }

        return entries;
    }

    private static string TextOf(HoconValue value) => value.IsArray()
        ? $"[{string.Join(", ", value.GetArray().Select(item => item.ToString()))}]"
        : value.GetString() ?? string.Empty;
}
