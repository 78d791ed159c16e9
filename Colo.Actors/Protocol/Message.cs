namespace Colo.Actors.Protocol;

/// <summary>Anything a core can be told. Late and duplicate messages are normal input.</summary>
public abstract record Message;

/// <summary>
/// A message from the same VM's cores on another host. Every one says who sent it and in which term; a lower term is
/// refused and counted (S3).
/// </summary>
/// <param name="From">The sender in its present life. A message from an earlier life of the peer is refused like one of
/// a lower term.</param>
/// <param name="Term">The sender's term when it sent.</param>
public abstract record PeerMessage(HostIdentity From, Term Term) : Message;

/// <summary>
/// An order of the operator. Always answered by exactly one <see cref="Effect.CompleteCommand"/> per sending.
/// </summary>
public abstract record OperatorCommand(CommandId Id) : Message, IFailoverInput
{
    /// <summary>
    /// The term that the operator saw: in another one the command is refused, so that an old page cannot act on a new
    /// pair.
    /// </summary>
    public Term? ExpectedTerm { get; init; }
}

/// <summary>Messages that <c>FailoverController</c> takes.</summary>
public interface IFailoverInput;

/// <summary>Messages that <c>PrimaryCheckpointCore</c> takes.</summary>
public interface IPrimaryCheckpointInput;

/// <summary>Messages that <c>SecondaryCheckpointCore</c> takes.</summary>
public interface ISecondaryCheckpointInput;

/// <summary>Messages that <c>DiskReplicationCore</c> takes.</summary>
public interface IDiskInput;

/// <summary>Messages that <c>ResyncWorkerCore</c> takes.</summary>
public interface IResyncInput;

/// <summary>Messages that <c>HeartbeatMonitor</c> takes.</summary>
public interface IHeartbeatInput;
