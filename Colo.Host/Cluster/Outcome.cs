namespace Colo.Host.Cluster;

/// <summary>How an order to the management ended.</summary>
/// <param name="State">done, refused (nothing has changed), invalid (nothing has changed, the errors say why), failed
/// or unknown.</param>
/// <param name="Errors">What is wrong with a definition, line by line.</param>
public sealed record Outcome(string State, string Text, IReadOnlyList<string> Errors)
{
    public static Outcome Done(string text) => new("done", text, []);

    public static Outcome Refused(string text) => new("refused", text, []);

    public static Outcome Failed(string text) => new("failed", text, []);

    public bool IsDone => State == "done";
}
