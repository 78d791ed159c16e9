namespace Akka.Configuration;

/// <summary>Null-tolerant forms of what <see cref="Config"/> offers.</summary>
public static class ConfigExtensions
{
    /// <summary><paramref name="config"/> over <paramref name="fallback"/>; either may be null, and the same one twice
    /// counts once.</summary>
    public static Config SafeWithFallback(this Config? config, Config? fallback)
    {
        if (config.IsNullOrEmpty())
        {
            return fallback ?? config!;
        }

        return ReferenceEquals(config, fallback) ? config! : config!.WithFallback(fallback);
    }

    public static bool IsNullOrEmpty(this Config? config) => config is null || config.IsEmpty;
}
