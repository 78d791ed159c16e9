using Colo.Actors.Protocol;
using Colo.Actors.Vm;

namespace Colo.Host.Node;

/// <summary>
/// The checkpoints that this host took as primary: the last ones with every phase timed, and counts over all of them.
/// Fed with the VM's events and with what its backend measured. Any thread.
/// </summary>
public sealed class CheckpointJournal(TimeProvider time)
{
    private const int Kept = 2_000;
    private const int RecentSeconds = 60;

    private readonly Lock gate = new();
    private readonly LinkedList<CheckpointEntry> entries = [];
    private readonly SortedDictionary<string, long> reasons = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, PhaseHistogram> phases = new(StringComparer.Ordinal);
    private CheckpointEntry? current;
    private long requestedAt;
    private long lastTimed;

    /// <summary>Bytes over all checkpoints of this life of the node.</summary>
    public long Bytes { get; private set; }

    /// <summary>Takes an event of the VM.</summary>
    /// <param name="timing">What the backend measured of its last checkpoint, which may be the one before; may be
    /// null.</param>
    public void Take(HostEvent happened, CheckpointTiming? timing)
    {
        lock (gate)
        {
            Complete(timing);
            switch (happened.Code)
            {
                case EventCode.CheckpointRequested:
                    Begin(happened);
                    break;
                case EventCode.CheckpointCaptured when current?.Epoch == happened.Epoch.Value:
                    Count(happened.Summary);
                    Replace(current with { RequestMs = current.RequestMs
                        ?? Since(requestedAt), Outcome = current.LoadMs is null ? "captured" : "loaded" });
                    break;
                case EventCode.CheckpointCommitted when current?.Epoch == happened.Epoch.Value:
                    Replace(current with { Outcome = current.LoadMs is null ? "committed" : "loaded" });
                    break;
                case EventCode.CheckpointAborted or EventCode.CheckpointRejected when current?.Epoch == happened.Epoch.Value:
                    Replace(current with { Outcome = "aborted" });
                    break;
                default:
                    break; // not about a checkpoint of this host
            }
        }
    }

    /// <summary>The newest checkpoints, newest first.</summary>
    public IReadOnlyList<CheckpointEntry> Last(int count, CheckpointTiming? timing)
    {
        lock (gate)
        {
            Complete(timing);
            return [.. entries.Take(count)];
        }
    }

    public CheckpointEntry? Find(long epoch, CheckpointTiming? timing) =>
        Last(Kept, timing).FirstOrDefault(entry => entry.Epoch == epoch);

    /// <summary>Captured checkpoints by reason, over all of them.</summary>
    public IReadOnlyList<(string Reason, long Count)> Reasons()
    {
        lock (gate)
        {
            return [.. reasons.Select(reason => (reason.Key, reason.Value))];
        }
    }

    /// <summary>Calls back with each phase's histogram.</summary>
    public void Histograms(Action<string, PhaseHistogram> take)
    {
        lock (gate)
        {
            foreach ((string phase, PhaseHistogram histogram) in phases)
            {
                take(phase, histogram);
            }
        }
    }

    public RecentCheckpoints Recent()
    {
        lock (gate)
        {
            DateTimeOffset from = time.GetUtcNow() - TimeSpan.FromSeconds(RecentSeconds);
            List<CheckpointEntry> recent =
                [.. entries.TakeWhile(entry => entry.Began >= from)
                .Where(entry => entry.Outcome is not "running" and not "aborted")];
            double[] pauses =
                [.. recent.Where(entry => entry.CaptureMs is not null).Select(entry => entry.CaptureMs!.Value).Order()];
            return new RecentCheckpoints(
                RecentSeconds, recent.Count,
                recent.GroupBy(entry => entry.Reason)
                    .ToDictionary(group => group.Key, group => group.Count(), StringComparer.Ordinal),
                pauses.Length == 0 ? null : pauses[pauses.Length / 2], pauses.Length == 0
                    ? null : pauses[(int)((pauses.Length - 1) * 0.99)],
                recent.Sum(entry => entry.Bytes ?? 0));
        }
    }

    private void Begin(HostEvent happened)
    {
        requestedAt = time.GetTimestamp();
        current = new CheckpointEntry(
            happened.Epoch.Value, happened.Term.Value, happened.Summary, time.GetUtcNow(), null, null, null, null, null,
            null, null, "running");
        entries.AddFirst(current);
        if (entries.Count > Kept)
        {
            entries.RemoveLast();
        }
    }

    private void Count(string summary)
    {
        // "Mismatch: 12 pages, ...": the reason stands first.
        string reason = summary.Split(':')[0];
        reasons[reason] = reasons.GetValueOrDefault(reason) + 1;
    }

    private void Replace(CheckpointEntry entry)
    {
        current = entry;
        entries.First!.Value = entry;
    }

    /// <summary>Lays the backend's own measurement over the entry that it belongs to, once.</summary>
    private void Complete(CheckpointTiming? timing)
    {
        if (timing is null || timing.Epoch == lastTimed)
        {
            return;
        }

        for (LinkedListNode<CheckpointEntry>? node = entries.First; node is not null; node = node.Next)
        {
            if (node.Value.Epoch == timing.Epoch)
            {
                lastTimed = timing.Epoch;
                Bytes += timing.Bytes;
                node.Value = node.Value with
                {
                    RequestMs = timing.Request.TotalMilliseconds,
                    CaptureMs = timing.Capture.TotalMilliseconds,
                    StreamMs = timing.Stream.TotalMilliseconds,
                    CommitMs = timing.Commit.TotalMilliseconds,
                    LoadMs = timing.Load.TotalMilliseconds,
                    Pages = timing.Pages,
                    Bytes = timing.Bytes,
                    Outcome = node.Value.Outcome == "aborted" ? "aborted" : "loaded",
                };
                current = node == entries.First ? node.Value : current;
                AddPhases(node.Value);
                return;
            }
        }
    }

    private void AddPhases(CheckpointEntry entry)
    {
        foreach (string phase in CheckpointEntry.Phases)
        {
            if (!phases.TryGetValue(phase, out PhaseHistogram? histogram))
            {
                phases[phase] = histogram = new PhaseHistogram();
            }

            histogram.Add((entry.PhaseMs(phase) ?? 0) / 1000);
        }
    }

    private double Since(long timestamp) => time.GetElapsedTime(timestamp).TotalMilliseconds;
}
