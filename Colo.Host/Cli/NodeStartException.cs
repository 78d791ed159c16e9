namespace Colo.Host.Cli;

/// <summary>The node could not be started for something that its operator can mend.</summary>
internal sealed class NodeStartException(Exception problem) : Exception(problem.Message, problem);
