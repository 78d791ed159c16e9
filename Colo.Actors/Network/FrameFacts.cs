using Colo.Actors.Protocol;

namespace Colo.Actors.Network;

/// <summary>What the gate needs to know about one frame of this host's guest.</summary>
/// <param name="Epoch">The tag it got when the guest made it.</param>
/// <param name="Term">The term of this host when the guest made it.</param>
/// <param name="MatchedEpoch">Tag of the secondary's equal bytes; null when there are none yet.</param>
/// <param name="HasAck">The frame carries a TCP acknowledgement.</param>
/// <param name="Ack">Acknowledgement number, in the sequence space of the client.</param>
/// <param name="SafeAck">Highest acknowledgement that the secondary's own frames of this connection carried.</param>
public readonly record struct FrameFacts(Epoch Epoch, Term Term, Epoch? MatchedEpoch, bool HasAck, uint Ack, uint SafeAck)
{
    /// <summary>A frame that nothing is known about except its tag.</summary>
    public static FrameFacts Unmatched(Epoch epoch, Term term) => new(epoch, term, null, false, 0, 0);
}
