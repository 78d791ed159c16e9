using Akka.Actor;

namespace Akka.Configuration;

/// <summary>A setting is missing or cannot be used.</summary>
public class ConfigurationException : AkkaException
{
    public ConfigurationException(string message)
        : base(message)
    {
    }

    public ConfigurationException(string message, Exception exception)
        : base(message, exception)
    {
    }

    /// <summary>The error for a section that is needed and absent.</summary>
    public static ConfigurationException NullOrEmptyConfig<T>(string? path = null) =>
        new(string.IsNullOrEmpty(path)
            ? $"Failed to instantiate {typeof(T).Name}: Configuration does not contain `{path}` node"
            : $"Failed to instantiate {typeof(T).Name}: Configuration does not contain `{path}` node");
}
