namespace Colo.Host.Cli;

/// <summary>An operator's command that ends early: a sentence for people and an <see cref="Cli.ExitCode"/> for
/// scripts.</summary>
internal sealed class ClientException(int exitCode, string message, Exception? inner = null) : Exception(message, inner)
{
    public int ExitCode { get; } = exitCode;
}
