namespace Colo.Host.Cli;

/// <summary>What the process tells its caller; listed in docs/cli.md and stable.</summary>
internal static class ExitCode
{
    /// <summary>Done, or healthy.</summary>
    public const int Done = 0;

    public const int Failed = 1;
    public const int Usage = 2;

    /// <summary>Refused because it would be unsafe or would destroy something; nothing has changed.</summary>
    public const int Refused = 3;

    public const int TimedOut = 4;
    public const int Unreachable = 5;

    /// <summary>The command was sent and nobody knows how it ended.</summary>
    public const int Unknown = 6;

    /// <summary>Works, but the loss of a host would be felt.</summary>
    public const int Degraded = 10;
}
