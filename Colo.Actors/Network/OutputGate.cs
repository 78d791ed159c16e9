using Colo.Actors.Arbiter;
using Colo.Actors.Protocol;

namespace Colo.Actors.Network;

/// <summary>
/// The release decision: may this frame leave now, and why? One per VM and host; nothing else reaches the wire (S1, S2,
/// S6).
/// <code>
/// Closed --OpenSolo--> Solo --BeginJoin--> Joining --OpenPair--> Pair --OpenSolo--> Solo
///    ^        Joining --OpenSolo (the arbiter certainly said no)--> Solo              any --Close--> Closed
/// </code>
/// Solo needs the arbiter's record as proof. In Pair nobody is asked: what leaves by Matched or Committed is implied by
/// the other host's state, so a late frame of the loser is at worst a duplicate that TCP discards, and no lease or
/// timeout is waited for. Joining is Pair without Committed: the joiner is not in the set yet, so its acknowledgement
/// protects nobody, but if the arbiter's yes is on its way the joiner may already win a term; so Solo is given up
/// first. The driver calls from one thread, or locks around the gate and the send.
/// </summary>
public sealed class OutputGate(HostIdentity self)
{
    private enum Mode
    {
        Closed,
        Solo,
        Joining,
        Pair,
    }

    private Mode _mode = Mode.Closed;

    /// <summary>The highest term that this gate was opened in; it never goes back.</summary>
    public Term Term { get; private set; } = Term.Zero;

    /// <summary>The last checkpoint that gives the permit Committed.</summary>
    public Epoch Acknowledged { get; private set; } = Epoch.Zero;

    /// <summary>Why the gate is closed, for the operator; empty when it is open.</summary>
    public string ClosedBecause { get; private set; } = "not opened yet";

    /// <summary>True while every frame leaves at once.</summary>
    public bool IsSolo => _mode == Mode.Solo;

    /// <summary>True while frames need a permit of the pair.</summary>
    public bool NeedsMatch => _mode is Mode.Pair or Mode.Joining;

    public bool IsClosed => _mode == Mode.Closed;

    /// <summary>Nothing leaves from now on. Held frames stay held until the guest is discarded or the gate opens
    /// again.</summary>
    public void Close(string because)
    {
        _mode = Mode.Closed;
        ClosedBecause = because;
    }

    /// <param name="record">The record that the arbiter has acknowledged; the proof that nobody else can own the
    /// VM.</param>
    public void OpenSolo(ArbiterRecord record)
    {
        Invariant.Require(record.IsSoloOf(self), "S2", "solo gate needs a record of this host alone", record, self);
        Raise(record.Term);
        _mode = Mode.Solo;
        ClosedBecause = string.Empty;
    }

    /// <summary>Gives solo up. From here until the arbiter has answered about the pair, only matched frames
    /// leave.</summary>
    public void BeginJoin()
    {
        Invariant.Require(_mode == Mode.Solo, "S1", "only a solo owner takes a joiner in", _mode, Mode.Solo);
        _mode = Mode.Joining;
    }

    /// <param name="record">The pair that the arbiter has acknowledged, this host its primary.</param>
    /// <param name="acknowledged">Last checkpoint that the secondary has committed.</param>
    public void OpenPair(ArbiterRecord record, Epoch acknowledged)
    {
        Invariant.Require(record.Mode == ArbiterMode.Pair && record.Primary == self, "S4",
            "the pair's gate opens on its primary", record, self);
        Raise(record.Term);
        _mode = Mode.Pair;
        ClosedBecause = string.Empty;
        Acknowledge(acknowledged);
    }

    /// <summary>The secondary has committed this checkpoint. Repetitions and older ones change nothing.</summary>
    public void Acknowledge(Epoch epoch) => Acknowledged = Epoch.Max(Acknowledged, epoch);

    /// <summary>The decision. Does not change the gate; ask again after any change of the gate or of the
    /// facts.</summary>
    public FrameFate Decide(in FrameFacts frame) => _mode switch
    {
        Mode.Solo => frame.Term <= Term ? FrameFate.Solo : FrameFate.HeldNewerTerm,
        Mode.Pair when frame.Epoch < Acknowledged => FrameFate.Committed,
        Mode.Pair or Mode.Joining => DecideByMatch(frame),
        Mode.Closed => FrameFate.HeldGateClosed,
        _ => FrameFate.HeldGateClosed,
    };

    public static bool IsRelease(FrameFate fate) => fate is FrameFate.Matched or FrameFate.Committed or FrameFate.Solo;

    private static FrameFate DecideByMatch(in FrameFacts frame)
    {
        if (frame.MatchedEpoch is not { } matched)
        {
            return FrameFate.HeldNotMatched;
        }

        if (matched != frame.Epoch)
        {
            return FrameFate.HeldEpochsDiffer;
        }

        return frame.HasAck && IsAfter(frame.Ack, frame.SafeAck) ? FrameFate.HeldAckTooFar : FrameFate.Matched;
    }

    /// <summary>Sequence numbers wrap: "after" is the sign of the 32-bit difference (RFC 9293, section 3.4).</summary>
    private static bool IsAfter(uint left, uint right) => unchecked((int)(left - right)) > 0;

    private void Raise(Term term)
    {
        Invariant.Require(term >= Term, "S3", "a gate's term never goes back", term, Term);
        Term = term;
    }
}
