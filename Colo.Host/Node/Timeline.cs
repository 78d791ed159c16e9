namespace Colo.Host.Node;

/// <summary>What happened to a VM on one axis of time: terms, checkpoints by phase, events.</summary>
public sealed record Timeline(
    string Vm, string Host, IReadOnlyList<TermBand> Terms, IReadOnlyList<CheckpointEntry> Checkpoints,
    IReadOnlyList<LoggedEvent> Events)
{
    private const int EventsMax = 300;
    private const int CheckpointsMax = 200;

    public static Timeline Of(NodeRuntime node, VmRecord vm)
    {
        IReadOnlyList<LoggedEvent> events =
            [.. node.Events.Newest(vm.Definition.Name, 5_000).Where(Web.Page.IsNotable).Take(EventsMax)];
        var bands = new List<TermBand>();
        foreach (LoggedEvent logged in events.Reverse().Where(logged => logged.Term > 0))
        {
            if (bands.Count == 0 || logged.Term > bands[^1].Term)
            {
                if (bands.Count > 0)
                {
                    bands[^1] = bands[^1] with { To = logged.Time };
                }

                bands.Add(new TermBand(logged.Term, logged.Time, null));
            }
        }

        return new Timeline(
            vm.Definition.Name, node.Self.Host.Name, bands,
            vm.Journal.Last(CheckpointsMax, vm.Backend?.Inspect().Timing), events);
    }
}

/// <summary>A term as far as this host's events tell; without end while it lasts.</summary>
public sealed record TermBand(long Term, DateTimeOffset From, DateTimeOffset? To);
