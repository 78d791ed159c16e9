using System.Collections.Concurrent;
using Colo.Actors.Protocol;

namespace Colo.Host.Node;

/// <summary>
/// What a node that is told to stop does with its guests. Of a pair it leaves in good order. Alone, it waits for a peer
/// that is being filled and then hands over; with nobody to take the guest it asks the guest to shut down, at the
/// latest when half of the time is over, because a guest needs some of it. It says so either way. A guest that shut
/// down for this starts again with the node.
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

    private readonly long began = time.GetTimestamp();
    private readonly ConcurrentDictionary<string, byte> left = new(StringComparer.Ordinal);

    /// <summary>Returns when no guest runs here any more, or when the time is over.</summary>
    public async Task RunAsync(TimeSpan limit)
    {
        List<VmRecord> here = [.. node.Vms.Where(vm => vm.Status?.Role is not (null or VmRole.None))];
        here.ForEach(vm => left[vm.Definition.Name] = 0);
        using var late = new CancellationTokenSource(limit, time);
        try
        {
            await Task.WhenAll(here.Select(vm => LeaveAsync(vm, limit, late.Token))).WaitAsync(late.Token)
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
    private async Task LeaveAsync(VmRecord vm, TimeSpan limit, CancellationToken late)
    {
        string said = string.Empty;
        while (vm.Status?.Role is not (null or VmRole.None))
        {
            if (vm.Status.Role == VmRole.Solo)
            {
                if (!await WaitForPeerAsync(vm, limit, late).ConfigureAwait(false))
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
    /// True when the guest has a second copy. Waits for half of the limit while one is being made, and for a quarter of
    /// it for a node that is there to offer itself.
    /// </summary>
    private async Task<bool> WaitForPeerAsync(VmRecord vm, TimeSpan limit, CancellationToken late)
    {
        bool said = false;
        while (vm.Status?.Role != VmRole.Primary || vm.Status.Protection != ProtectionState.Protected)
        {
            TimeSpan passed = time.GetElapsedTime(began);
            bool hope = vm.Status?.Role == VmRole.Primary
                ? vm.Status.Protection != ProtectionState.Off
                : vm.Status?.Role == VmRole.Solo
                    && (vm.Status.Protection == ProtectionState.Protecting ? passed < limit / 2
                        : passed < limit / 4 && MayBeJoined(vm));
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

    /// <summary>Whether somebody is there who may offer to become the second copy and would be taken.</summary>
    private bool MayBeJoined(VmRecord vm) =>
        vm.Status?.Protection == ProtectionState.Unprotected && !vm.IsProtectionPaused && !vm.IsGivenUp
        && node.Members().Any(member => member.Status == "Up" && member.Node != node.Self.Host.Name
            && vm.Definition.Nodes.Contains(member.Node) && member.Facts is not { IsDraining: true });

    private async Task ShutDownAsync(VmRecord vm, CancellationToken late)
    {
        if (vm.Status?.Role != VmRole.Solo)
        {
            return; // handed over, evicted or ended meanwhile
        }

        // A pair that came to be now would take a guest over that is just going down. The term refuses the order when
        // there is a pair already.
        await command(
            vm.Definition.Name,
            new UnprotectCommand(NodeRuntime.NewCommandId()) { ExpectedTerm = vm.Status.Term }).ConfigureAwait(false);
        if (vm.Status?.Role != VmRole.Solo)
        {
            return;
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
            Remember(vm);
        }
    }

    private void Remember(VmRecord vm)
    {
        try
        {
            GuestReturn.Remember(node.Options.StateDirectory, vm.Definition.Name);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            Say(vm, $"it will not boot with the node: {problem.Message}; `colo vm start {vm.Definition.Name}` then");
        }
    }

    private void Say(VmRecord vm, string text) => node.Events.Add(
        vm.Definition.Name,
        new HostEvent(EventCode.NodeStops, vm.Status?.Term ?? Term.Zero, vm.Status?.Epoch ?? Epoch.Zero, text));
}
