namespace Colo.Actors.Protocol;

/// <summary>
/// A decision maker without a world: state inside, messages in, effects out. <see cref="Decide"/> runs to completion,
/// in one thread at a time, and reads no clock, file, socket or random source. The driver carries the effects out in
/// their order and brings results back as messages. Two kinds of driver exist: the actor of the same name, and the
/// simulation.
/// </summary>
public interface IProtocolCore
{
    /// <summary>The name of the present state, for events, traces and the operator.</summary>
    string StateName { get; }

    /// <param name="now">The host's monotonic clock.</param>
    /// <param name="message">One of the types that the core's table lists.</param>
    /// <param name="effects">Receives what is to be done, in order.</param>
    void Decide(Instant now, Message message, EffectList effects);
}
