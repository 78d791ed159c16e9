namespace Colo.Host.Configuration;

/// <summary>One thing that is wrong with a configuration: where, what it says, what was expected.</summary>
/// <param name="Key">Full path of the key, or empty when the text itself cannot be read.</param>
/// <param name="Place"><c>file:line</c>, or the name of an environment variable.</param>
public sealed record ConfigurationError(string Key, string Place, string Problem)
{
    public override string ToString() => Key.Length == 0 ? $"{Place}: {Problem}" : $"{Place}: {Key} {Problem}";
}
