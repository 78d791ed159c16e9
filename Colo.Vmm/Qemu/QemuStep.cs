using System.Text.Json;
using System.Text.Json.Nodes;

namespace Colo.Vmm.Qemu;

/// <summary>One command of a <see cref="QemuPlan"/>.</summary>
/// <param name="Command">QMP command.</param>
/// <param name="Arguments">Its arguments, or null.</param>
public sealed record QemuStep(string Command, JsonObject? Arguments = null)
{
    /// <summary>Arguments that depend on earlier answers, by the names under which these were kept; null leaves the
    /// step out.</summary>
    public Func<IReadOnlyDictionary<string, JsonElement>, JsonObject?>? Late { get; init; }

    /// <summary>The command is sent once for each of these, which depend on earlier answers; for a step whose refusal
    /// changes nothing, and that is not taken back.</summary>
    public Func<IReadOnlyDictionary<string, JsonElement>, IEnumerable<JsonObject>>? Each { get; init; }

    /// <summary>Keeps the answer under this name for later steps.</summary>
    public string? Keep { get; init; }

    /// <summary>A refusal changes nothing: the step cleans up what may be gone already.</summary>
    public bool Optional { get; init; }

    /// <summary>Sent out of band, so that a main loop that hangs does not delay it.</summary>
    public bool OutOfBand { get; init; }

    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>After the answer, an event that must come too.</summary>
    public QemuAwait? Until { get; init; }

    /// <summary>For a step of the way back: what its answer says about why the plan failed; null: nothing.</summary>
    public Func<JsonElement, string?>? Explains { get; init; }

    /// <summary>What takes the step back; carried out in reverse order when a later step fails.</summary>
    public IReadOnlyList<QemuStep> Undo { get; init; } = [];
}

/// <summary>An event that ends a step.</summary>
/// <param name="Reached">The event that was waited for.</param>
/// <param name="Failed">A sentence when this event means that it will never come; else null.</param>
public sealed record QemuAwait(Func<QmpEvent, bool> Reached, Func<QmpEvent, string?> Failed, TimeSpan Timeout)
{
    /// <summary>A block job that concludes; its error is read by the step after.</summary>
    public static QemuAwait JobConcluded(string job, TimeSpan timeout) => new(
        happened => happened.Name == "JOB_STATUS_CHANGE" && happened.Text("id") == job && happened.Text("status") == "concluded",
        _ => null, timeout);

    /// <summary>The guest runs on after a checkpoint.</summary>
    public static QemuAwait CheckpointEnded(TimeSpan timeout) => new(
        happened => happened.Name == "RESUME", happened => happened.Name == "COLO_EXIT" ? "COLO ended" : null, timeout);

    /// <summary>Migration's status.</summary>
    public static QemuAwait Migration(string status, TimeSpan timeout) => new(
        happened => happened.Name == "MIGRATION" && happened.Text("status") == status,
        happened => happened.Name == "COLO_EXIT" ? "COLO ended"
            : happened.Name == "MIGRATION" && happened.Text("status") is "failed" or "cancelled" or "completed"
                ? $"migration {happened.Text("status")}" : null,
        timeout);
}

/// <summary>Commands in the order in which QEMU wants them.</summary>
public sealed record QemuPlan(string Name, IReadOnlyList<QemuStep> Steps);
