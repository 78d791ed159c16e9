using System.Collections.Concurrent;
using Colo.Actors.Protocol;

namespace Colo.Host.Node;

/// <summary>
/// What a node that is told to stop does with its guests. Of a pair it leaves in good order. Alone, it waits for a peer
/// that is being filled and then hands over; with nobody there it asks the guest to shut down, and says so either way.
/// A guest that shut down for this starts again with the node.
/// </summary>
/// <param name="node">The node that stops.</param>
/// <param name="command">Carries a command out on a VM of the node.</param>
/// <param name="time">For the limit and the looks.</param>
/// <param name="log">Takes what is worth a line.</param>
internal sealed class GuestFarewell(
    NodeRuntime node, Func<string, OperatorCommand, Task<Effect.CompleteCommand>> command, TimeProvider time,
    Action<string> log)
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);

    private readonly ConcurrentDictionary<string, byte> left = new(StringComparer.Ordinal);

    /// <summary>Returns when no guest runs here any more, or when the time is over.</summary>
    public async Task RunAsync(TimeSpan limit)
    {
        List<VmRecord> here = [.. node.Vms.Where(vm => vm.Status?.Role is not (null or VmRole.None))];
        here.ForEach(vm => left[vm.Definition.Name] = 0);
        using var late = new CancellationTokenSource(limit, time);
        try
        {
            await Task.WhenAll(here.Select(vm => LeaveAsync(vm, late.Token))).WaitAsync(late.Token)
                .ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            foreach (string vm in left.Keys)
            {
                Say(node.Find(vm)!, $"not handed over and not shut down within {limit.TotalSeconds:0} s: it ends like by a loss of power");
            }
        }
    }

    /// <summary>
    /// Until nothing of the VM is here. Being refused is no end of it: a switchover is rolled back on a busy machine,
    /// and between the look at the role and the command the role may have changed.
    /// </summary>
    private async Task LeaveAsync(VmRecord vm, CancellationToken late)
    {
        string said = string.Empty;
        while (vm.Status?.Role is not (null or VmRole.None))
        {
            if (vm.Status.Role == VmRole.Solo)
            {
                if (!await WaitForPeerAsync(vm, late).ConfigureAwait(false))
                {
                    await ShutDownAsync(vm, late).ConfigureAwait(false);
                }

                continue;
            }

            Effect.CompleteCommand end = await command(
                vm.Definition.Name, new DrainCommand(NodeRuntime.NewCommandId())).ConfigureAwait(false);
            if (end.Result == CommandResult.Done)
            {
                break;
            }

            if (end.Text != said)
            {
                said = end.Text;
                log($"{vm.Definition.Name} is not handed over yet: {end.Text}");
            }

            await Task.Delay(Look, time, late).ConfigureAwait(false);
        }

        left.TryRemove(vm.Definition.Name, out _);
    }

    /// <summary>
    /// True when the guest has a second copy. Waits as long as some other node of it is there to become one.
    /// </summary>
    private async Task<bool> WaitForPeerAsync(VmRecord vm, CancellationToken late)
    {
        bool said = false;
        while (vm.Status?.Role != VmRole.Primary || vm.Status.Protection != ProtectionState.Protected)
        {
            bool hope = vm.Status?.Role is VmRole.Solo or VmRole.Primary && vm.Status.Protection != ProtectionState.Off
                && !vm.IsProtectionPaused
                && node.Members().Any(member => member.Status == "Up" && member.Node != node.Self.Host.Name
                    && vm.Definition.Nodes.Contains(member.Node) && member.Facts is not { IsDraining: true });
            if (!hope)
            {
                return false;
            }

            if (!said)
            {
                said = true;
                Say(vm, "the node stops; waiting for the peer that can take the guest");
            }

            await Task.Delay(Look, time, late).ConfigureAwait(false);
        }

        return true;
    }

    private async Task ShutDownAsync(VmRecord vm, CancellationToken late)
    {
        if (vm.Status?.Role != VmRole.Solo)
        {
            return; // handed over, evicted or ended meanwhile
        }

        Say(vm, "the node stops and no peer can take the guest: it is asked to shut down");
        vm.Backend?.RequestPowerdown();
        // The end is agreed with the arbiter before it is one.
        while (vm.Status is { Role: VmRole.Solo } or { Role: not VmRole.None, Protection: ProtectionState.Off })
        {
            await Task.Delay(Look, time, late).ConfigureAwait(false);
        }

        if (vm.Status is { Role: VmRole.None, Protection: ProtectionState.Off })
        {
            GuestReturn.Remember(node.Options.StateDirectory, vm.Definition.Name);
        }
    }

    private void Say(VmRecord vm, string text) => node.Events.Add(
        vm.Definition.Name,
        new HostEvent(EventCode.NodeStops, vm.Status?.Term ?? Term.Zero, vm.Status?.Epoch ?? Epoch.Zero, text));
}
