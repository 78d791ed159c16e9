namespace Colo.Actors.Protocol;

/// <summary>
/// Lets through what the present peer, in its present life, says in the present session (S3). The floor is the term in
/// which the session began: after solo became pair, answers of the joiner that were under way still carry the old term.
/// The control stream is in order, so the first message of a newer term lifts the floor. A message above the own term
/// is refused too: whoever sent it knows a record that this host does not.
/// </summary>
internal sealed class PeerFence
{
    private HostIdentity? _peer;
    private Term _floor;
    private Term _own;

    /// <summary>Messages refused so far, for the metric.</summary>
    public long Refused { get; private set; }

    public void Begin(HostIdentity peer, Term term)
    {
        _peer = peer;
        _floor = term;
        _own = term;
    }

    public void Raise(Term own) => _own = own;

    public void End() => _peer = null;

    public bool Admit(PeerMessage message, EffectList effects)
    {
        if (_peer == message.From && message.Term >= _floor && message.Term <= _own)
        {
            _floor = message.Term;
            return true;
        }

        Refused++;
        effects.Add(new Effect.Emit(new HostEvent(EventCode.StaleTermRefused, _own, Epoch.Zero,
            $"refused {message.GetType().Name} of {message.From} {message.Term}, session {_peer} {_floor}..{_own}")));
        return false;
    }
}
