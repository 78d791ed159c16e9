namespace Colo.Simulation.Oracle;

/// <summary>
/// S13: every frame that the answering guest sends has a fate: released, dropped with a reason, or held; and in a world
/// without faults none is held for longer than the bound. Frames are counted, so one that vanishes is missed.
/// </summary>
public sealed class FateChecker(SimWorld world)
{
    /// <summary>Longer than every time-out of a checkpoint, of a join and of the arbiter.</summary>
    private const long HeldMax = 8_000_000;

    private readonly SortedDictionary<(Place Place, long Life), long> _open = [];

    /// <summary>Frames that were dropped, by reason.</summary>
    public SortedDictionary<string, long> Dropped { get; } = new(StringComparer.Ordinal);

    public void OnSubmit(SimVm vm) => _open[Key(vm)] = Open(vm) + 1;

    public void OnRelease(SimVm vm) => _open[Key(vm)] = Open(vm) - 1;

    public void OnDropped(SimVm vm, int frames, string reason)
    {
        _open[Key(vm)] = Open(vm) - frames;
        Dropped[reason] = Dropped.GetValueOrDefault(reason) + frames;
    }

    public void OnWatch()
    {
        foreach (SimVm vm in world.Hosts.Select(host => host.Vm).OfType<SimVm>())
        {
            if (Open(vm) != vm.Held.Count)
            {
                throw new InvariantFailureException(
                    "S13",
                    $"{vm.Identity} holds {vm.Held.Count} frames, {Open(vm)} have neither left nor been dropped");
            }
        }
    }

    public void OnQuiet()
    {
        foreach (SimVm vm in world.Hosts.Select(host => host.Vm).OfType<SimVm>())
        {
            long held = vm.Held.Count > 0 ? world.Scheduler.Now - vm.Held[0].Since : 0;
            if (held > HeldMax)
            {
                throw new InvariantFailureException(
                    "S13", $"{vm.Identity} holds {vm.Held[0].Frame} for {held / 1000} ms");
            }
        }
    }

    private long Open(SimVm vm) => _open.GetValueOrDefault(Key(vm));

    private static (Place Place, long Life) Key(SimVm vm) => (vm.Place, vm.Identity.Incarnation.Value);
}
