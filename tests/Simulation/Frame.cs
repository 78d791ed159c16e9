namespace Colo.Simulation;

/// <summary>What kind of TCP segment it is; the model needs no more.</summary>
public enum FrameKind
{
    Data = 1,
    Syn,
    Reset,
}

/// <summary>
/// A segment of the model's TCP. <paramref name="Sequence"/> counts the sender's stream from the connection's initial
/// number;
/// <paramref name="Ack"/> likewise for the other direction, as RFC 9293 has it but without windows.
/// </summary>
/// <param name="Connection">Client and its attempt: what a 4-tuple is.</param>
public sealed record Frame(long Connection, FrameKind Kind, uint Sequence, byte[] Payload, uint Ack)
{
    public override string ToString() => $"c{Connection} {Kind} {Sequence}+{Payload.Length} ack {Ack}";
}
