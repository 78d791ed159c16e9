namespace Colo.Actors.Protocol;

/// <summary>Names one operator command, chosen by the sender. The same id twice has the effect of once (L6).</summary>
public readonly record struct CommandId(string Value)
{
    public override string ToString() => Value;
}
