using Akka.Remote.Serialization.Proto;

namespace Akka.Remote.Transport;

/// <summary>What an association is told by its link, its timers and its system; handled one at a time in
/// order.</summary>
internal abstract record AssociationCommand
{
    private AssociationCommand()
    {
    }

    /// <summary>From the link with this number; older links are not listened to any more.</summary>
    internal abstract record FromLink(int Generation) : AssociationCommand;

    internal sealed record Opened(int Generation, ILink Link) : FromLink(Generation);

    internal sealed record Welcomed(int Generation, int Uid) : FromLink(Generation);

    internal sealed record Refused(int Generation, RefusalReason Reason, string Text) : FromLink(Generation);

    internal sealed record Acknowledged(int Generation, ulong UpTo) : FromLink(Generation);

    internal sealed record Parted(int Generation, GoodbyeReason Reason) : FromLink(Generation);

    internal sealed record Writable(int Generation) : FromLink(Generation);

    internal sealed record Closed(int Generation, LinkClosed Reason) : FromLink(Generation);

    internal sealed record HandshakeTimedOut(int Generation) : FromLink(Generation);

    /// <summary>The gate with this number has been shut long enough.</summary>
    internal sealed record GateOver(int Gate) : AssociationCommand;

    /// <summary>The peer has opened a link to here, so it lives.</summary>
    internal sealed record PeerConnected(int Uid) : AssociationCommand;

    internal sealed record Quarantine(int? Uid) : AssociationCommand;

    internal sealed record Beat : AssociationCommand;

    /// <summary>Send what there is, say goodbye, close.</summary>
    internal sealed record Finish(TaskCompletionSource Done) : AssociationCommand;
}
