namespace Colo.Host.Cli;

/// <summary>A command line that cannot be carried out; the message names option, value and expectation. Exit code
/// 2.</summary>
internal sealed class CommandLineException(string message) : Exception(message);
