using System.Text.Json;
using System.Text.Json.Nodes;

namespace Colo.Vmm.Qemu;

/// <summary>What a <see cref="QemuPlanRun"/> wants next.</summary>
public abstract record QemuMove
{
    private QemuMove()
    {
    }

    /// <summary>Send this command; its answer, refusal or time-out comes back.</summary>
    public sealed record Send(QemuStep Step, JsonObject? Arguments) : QemuMove;

    /// <summary>Hand over events until another move comes, or say that the time is over.</summary>
    public sealed record Wait(TimeSpan Timeout) : QemuMove;

    /// <summary>Everything was done.</summary>
    public sealed record Done(IReadOnlyDictionary<string, JsonElement> Answers) : QemuMove;

    /// <summary>A step failed; what had been done was taken back, as far as QEMU let it.</summary>
    /// <param name="Step">The command that failed.</param>
    /// <param name="LeftOver">Commands of the way back that were refused too; empty when everything is as
    /// before.</param>
    public sealed record RolledBack(string Step, string Reason, IReadOnlyList<string> LeftOver) : QemuMove;

    /// <summary>The connection ended: this QEMU is dead or deaf.</summary>
    public sealed record Lost(string Step, string Reason) : QemuMove;
}

/// <summary>
/// Carries a plan out, as a pure state machine: answers and events in, commands out.
/// <code>
/// step 1 -> (wait) -> step 2 -> ... -> Done
///      | refused, timed out, or the event says that it failed
///      undo of that step (it may have been carried out), then of those before, newest first -> RolledBack
/// any  -> connection ended -> Lost
/// </code>
/// Events count from the moment at which a step's command was sent: QEMU may send them before the answer.
/// </summary>
public sealed class QemuPlanRun(QemuPlan plan)
{
    private readonly Dictionary<string, JsonElement> answers = new(StringComparer.Ordinal);
    private readonly Queue<QemuStep> undo = new();
    private readonly Queue<JsonObject?> many = new();
    private readonly List<string> leftOver = [];
    private readonly List<QmpEvent> events = [];
    private int at = -1;
    private bool waiting;
    private (string Step, string Reason)? failed;
    private QemuStep current = null!;

    /// <summary>A step has failed; what is sent now takes back.</summary>
    public bool IsGoingBack => failed is not null;

    public QemuMove Begin() => Next();

    public QemuMove OnReply(JsonElement value)
    {
        if (current.Keep is { } name)
        {
            answers[name] = value;
        }

        if (failed is var (step, reason) && current.Explains?.Invoke(value) is { } why)
        {
            failed = (step, $"{reason}: {why}");
        }

        if (current.Until is null)
        {
            return GoOn();
        }

        waiting = true;
        foreach (QmpEvent happened in events)
        {
            if (Judge(happened) is { } move)
            {
                return move;
            }
        }

        return new QemuMove.Wait(current.Until.Timeout);
    }

    /// <summary>The command was refused or not answered in time, or what it was to lead to will not come.</summary>
    public QemuMove OnRefused(string reason)
    {
        if (failed is not null)
        {
            if (!current.Optional)
            {
                leftOver.Add($"{current.Command}: {reason}");
            }

            return NextUndo();
        }

        return current.Optional ? Next() : Fail(reason);
    }

    /// <returns>Null when the run goes on waiting.</returns>
    public QemuMove? OnEvent(QmpEvent happened)
    {
        if (waiting)
        {
            return Judge(happened);
        }

        events.Add(happened);
        return null;
    }

    public QemuMove OnWaitTimeout() =>
        OnRefused($"what it leads to did not happen within {current.Until!.Timeout.TotalSeconds:0.#} s");

    public QemuMove OnClosed(string reason) => new QemuMove.Lost(current.Command, reason);

    private QemuMove? Judge(QmpEvent happened)
    {
        if (current.Until!.Reached(happened))
        {
            return GoOn();
        }

        return current.Until.Failed(happened) is { } reason ? OnRefused(reason) : null;
    }

    private QemuMove GoOn() => failed is null ? Next() : NextUndo();

    private QemuMove Next()
    {
        waiting = false;
        events.Clear();
        JsonObject? arguments;
        while (!many.TryDequeue(out arguments))
        {
            if (++at >= plan.Steps.Count)
            {
                return new QemuMove.Done(answers);
            }

            current = plan.Steps[at];
            foreach (JsonObject? one in Expand(current))
            {
                many.Enqueue(one);
            }
        }

        return new QemuMove.Send(current, arguments);
    }

    /// <summary>With which arguments a step is sent, once for each.</summary>
    private IEnumerable<JsonObject?> Expand(QemuStep step)
    {
        if (step.Each is { } each)
        {
            return each(answers);
        }

        JsonObject? arguments = step.Late is { } late ? late(answers) : step.Arguments;
        return step.Late is null || arguments is not null ? [arguments] : [];
    }

    private QemuMove Fail(string reason)
    {
        failed = (current.Command, reason);
        for (int index = at; index >= 0; index--)
        {
            foreach (QemuStep step in plan.Steps[index].Undo)
            {
                // The failed step itself may or may not have been carried out.
                undo.Enqueue(index == at ? step with { Optional = true } : step);
            }
        }

        return NextUndo();
    }

    private QemuMove NextUndo()
    {
        waiting = false;
        events.Clear();
        while (undo.TryDequeue(out QemuStep? step))
        {
            current = step;
            JsonObject? arguments = step.Late is { } late ? late(answers) : step.Arguments;
            if (step.Late is null || arguments is not null)
            {
                return new QemuMove.Send(step, arguments);
            }
        }

        return new QemuMove.RolledBack(failed!.Value.Step, failed.Value.Reason, leftOver);
    }
}
