using Colo.Host.Cli;

namespace Colo.Host.Faults;

/// <summary>What to inject, as it was asked for.</summary>
/// <param name="For">When it ends by itself; F01 and F30 are over when they have happened.</param>
public sealed record FaultOrder(string Fault, string Vm, string Peer, TimeSpan For, TimeSpan Latency)
{
    /// <summary>No injection lasts longer.</summary>
    public static TimeSpan Longest { get; } = TimeSpan.FromMinutes(10);

    /// <summary>How long without a word.</summary>
    public static TimeSpan Usual { get; } = TimeSpan.FromSeconds(10);

    /// <summary>For events: what, on what, and for how long.</summary>
    public override string ToString() => Fault + (Vm.Length > 0 ? $" vm={Vm}" : string.Empty)
        + (Peer.Length > 0 ? $" peer={Peer}" : string.Empty) + $" for={For.TotalSeconds:0.###}s"
        + (Latency > TimeSpan.Zero ? $" latency={Latency.TotalMilliseconds:0.###}ms" : string.Empty);

    /// <summary>Reads the parameters of a request.</summary>
    /// <param name="problem">What is wrong, with what was expected; empty when nothing is.</param>
    public static FaultOrder? Read(
        string fault, string? vm, string? peer, string? duration, string? latency, out string problem)
    {
        FaultKind? kind = FaultKind.Catalogue.FirstOrDefault(
            known => known.Id.Equals(fault, StringComparison.OrdinalIgnoreCase));
        var order = new FaultOrder(
            kind?.Id ?? fault, vm ?? string.Empty, peer ?? string.Empty, Duration(duration, Usual),
            Duration(latency, TimeSpan.Zero));
        bool Wants(string what) => kind?.Needs?.Contains(what, StringComparison.Ordinal) == true;
        problem = kind is null ? $"'{fault}' is no fault: expected F01 to F40"
            : !kind.IsReal ? $"{kind.Id} ({kind.Name}) is not done for real here: expected one that `colo fault list` has"
            : Wants("vm") && order.Vm.Length == 0 ? $"{kind.Id} ({kind.Name}) needs a VM: expected vm=NAME"
            : Wants("peer") && order.Peer.Length == 0
                ? $"{kind.Id} ({kind.Name}) needs a peer: expected peer=NODE"
            : Wants("latency") && order.Latency <= TimeSpan.Zero
                ? $"{kind.Id} ({kind.Name}) has latency '{latency}': expected for example latency=50ms"
            : order.For <= TimeSpan.Zero || order.For > Longest
                ? $"for is '{duration}': expected at most {Longest.TotalMinutes} min, for example 10s"
            : string.Empty;
        return problem.Length == 0 ? order : null;
    }

    private static TimeSpan Duration(string? text, TimeSpan otherwise)
    {
        try
        {
            return text is null ? otherwise : OptionDuration.Parse("for", text);
        }
        catch (CommandLineException)
        {
            return TimeSpan.MinValue;
        }
    }
}
