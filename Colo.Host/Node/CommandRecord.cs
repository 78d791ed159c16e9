namespace Colo.Host.Node;

/// <summary>An order of the operator: who gave it, and what became of it.</summary>
/// <param name="State">running, done, refused (nothing has changed), failed (the text says what has), or unknown
/// (nobody answered in time).</param>
public sealed record CommandRecord(
    string Id, string Vm, string Verb, string Parameters, string From, DateTimeOffset At, string State, string Text);
