using Colo.Actors.Protocol;

namespace Colo.Host.Node;

/// <summary>
/// Makes reports of changes of owner out of the events of this host's VMs, and keeps them in a file of the state
/// directory, one JSON object a line. A report goes on until the VM is protected again. Any thread.
/// </summary>
public sealed class FailoverJournal
{
    private const int Kept = 500;

    private readonly Lock gate = new();
    private readonly string host;
    private readonly TimeProvider time;
    private readonly JournalFile<FailoverReport> closed;
    private readonly Dictionary<string, (FailoverReport Report, long Began)> open = new(StringComparer.Ordinal);
    private long lastId;

    public FailoverJournal(string host, string stateDirectory, TimeProvider time)
    {
        this.host = host;
        this.time = time;
        closed = new JournalFile<FailoverReport>(stateDirectory, "history.jsonl", Kept);
        lastId = closed.Records.Select(report => report.Id).DefaultIfEmpty(0).Max();
    }

    /// <summary>Newest first; of one VM, or of all when that is null.</summary>
    public IReadOnlyList<FailoverReport> Reports(string? vm)
    {
        lock (gate)
        {
            return [.. closed.Records.Concat(open.Values.Select(entry => entry.Report))
                .Where(report => vm is null || report.Vm == vm).OrderByDescending(report => report.Id)];
        }
    }

    public FailoverReport? Find(long id) => Reports(null).FirstOrDefault(report => report.Id == id);

    /// <summary>Takes an event of a VM.</summary>
    /// <param name="silentMs">Age of the lost host's last heartbeat now, where the event is about a loss.</param>
    /// <param name="peer">The peer at this moment.</param>
    public void Take(string vm, HostEvent happened, string? peer, double? silentMs)
    {
        lock (gate)
        {
            switch (happened.Code)
            {
                case EventCode.FailoverStarted:
                    Begin(vm, "takeover", happened, peer, silentMs);
                    break;
                case EventCode.PeerLost:
                    Begin(vm, "solo", happened, peer, silentMs);
                    break;
                case EventCode.SwitchoverStarted:
                    Begin(vm, "switchover", happened, null, null);
                    break;
                default:
                    GoOn(vm, happened);
                    break;
            }
        }
    }

    private void GoOn(string vm, HostEvent happened)
    {
        if (!open.TryGetValue(vm, out (FailoverReport Report, long Began) entry))
        {
            return;
        }

        double now = time.GetElapsedTime(entry.Began).TotalMilliseconds;
        FailoverReport report = entry.Report;
        switch (happened.Code)
        {
            case EventCode.TermWon when report.TermMs is null:
                Set(vm, report with { TermMs = now, Term = happened.Term.Value });
                break;
            case EventCode.TookOver or EventCode.WentSolo:
                Set(vm, report with { RunningMs = now, Term = happened.Term.Value, Outcome = "done" });
                break;
            case EventCode.SwitchoverDone:
                Close(vm,
                    report with { RunningMs = now, ProtectedMs = now, Term = happened.Term.Value, Outcome = "done" });
                break;
            case EventCode.SwitchoverCancelled:
                Close(vm, report with { Outcome = "cancelled" });
                break;
            case EventCode.ResyncDone:
                Set(vm, report with { RefilledMs = now });
                break;
            case EventCode.PairEstablished:
                Close(vm, report with { ProtectedMs = now });
                break;
            case EventCode.TermRefused or EventCode.Evicted:
                Close(vm, report with { Outcome = "refused" });
                break;
            case EventCode.GuestEnded or EventCode.ReplicaDiscarded:
                Close(vm, report);
                break;
            default:
                break; // says nothing about the change of owner
        }
    }

    private void Begin(string vm, string kind, HostEvent happened, string? peer, double? silentMs)
    {
        if (open.TryGetValue(vm, out (FailoverReport Report, long Began) before))
        {
            Close(vm, before.Report.Outcome == "running" && before.Report.Kind == "switchover"
                ? before.Report with { Outcome = "cancelled" } : before.Report);
        }

        var report = new FailoverReport(
            ++lastId, vm, host, kind, happened.Summary, (int)happened.Code, time.GetUtcNow(), happened.Term.Value, peer,
            silentMs,
            null, null, null, null, "running");
        open[vm] = (report, time.GetTimestamp());
    }

    private void Set(string vm, FailoverReport report) => open[vm] = (report, open[vm].Began);

    private void Close(string vm, FailoverReport report)
    {
        open.Remove(vm);
        closed.Add(report);
    }
}
