using System.Text.Json;
using Colo.Actors.Protocol;
using Colo.Host.Cli;
using Colo.Host.Configuration;
using Colo.Host.Faults;
using Colo.Host.Node;

namespace Colo.Host.Cluster;

/// <summary>
/// Creates, removes and places VMs in a running cluster. Every node that may hold the VM checks the definition before
/// any takes it; each keeps it in its own state directory. The node that is asked need not be one of them.
/// </summary>
public sealed class VmAdministration(NodeRuntime node, VmStore store, NodeOrders orders)
{
    private const string HereAlready = "is here already";

    /// <summary>Adds a VM to the cluster. What was left half done is completed; one that is whole is refused.</summary>
    /// <param name="text">HOCON or JSON, the keys of <c>colo.vm-defaults</c>; without <c>nodes</c> they are
    /// chosen.</param>
    /// <param name="dryRun">Checks on all nodes and changes nothing.</param>
    public async Task<Outcome> CreateAsync(string vm, string text, bool dryRun)
    {
        string chosen = string.Empty;
        if (!VmText.NamesNodes(vm, text))
        {
            VmDefinition? draft = VmText.Read(
                vm, VmText.WithNodes(text, [node.Self.Host.Name]), "definition", node.Options,
                out IReadOnlyList<ConfigurationError> wrong);
            if (draft is null)
            {
                return Invalid(vm, wrong);
            }

            // A command that is repeated after half of it was done means the nodes that were chosen then: free memory
            // is another one now.
            IReadOnlyList<MemberView> members = node.Members();
            IReadOnlyList<string> places = node.Find(vm) is { IsStored: true } known
                ? known.Definition.Nodes : Placement.Choose(draft.MemoryBytes, members);
            if (places.Count == 0)
            {
                return Outcome.Refused(
                    $"no host has room: {string.Join("; ", Placement.Reasons(draft.MemoryBytes, members))}");
            }

            chosen = places.Count == 1
                ? $" (only {places[0]} has room: it will not be protected)" : " (chosen by free memory)";
            text = VmText.WithNodes(text, places);
        }

        VmDefinition? definition = VmText.Read(
            vm, text, "definition", node.Options, out IReadOnlyList<ConfigurationError> errors);
        if (definition is null)
        {
            return Invalid(vm, errors);
        }

        Outcome[] checks = await Task.WhenAll(definition.Nodes.Select(name => orders.AskAsync(name, "check", vm, text)))
            .ConfigureAwait(false);
        if (checks.FirstOrDefault(check => !check.IsDone) is { } refusal)
        {
            return new Outcome(
                "refused", $"{refusal.Text}; nothing has changed",
                [.. checks.Where(check => !check.IsDone).Select(check => check.Text)]);
        }

        if (checks.All(check => check.Text == HereAlready))
        {
            return Outcome.Refused(
                $"VM '{vm}' is on {string.Join(", ", definition.Nodes)} already; `colo vm place` changes its nodes");
        }

        string on = $"on {string.Join(", ", definition.Nodes)}{chosen}";
        return dryRun
            ? Outcome.Done($"would be created {on}; nothing has changed")
            : await DefineAsync(vm, text, definition.Nodes, on).ConfigureAwait(false);
    }

    /// <summary>
    /// Changes which nodes may hold a VM. A present member of the pair stays until it is lost or drained.
    /// </summary>
    public async Task<Outcome> PlaceAsync(string vm, IReadOnlyList<string> nodes)
    {
        if (store.Text(vm) is not { } text)
        {
            return Outcome.Refused(node.Find(vm) is null
                ? $"VM '{vm}' is not known on this node"
                : $"VM '{vm}' stands in the nodes' own files: change colo.vms.{vm}.nodes there");
        }

        IReadOnlyList<string> before = node.Find(vm)?.Definition.Nodes ?? [];
        string changed = VmText.WithNodes(text, nodes);
        if (VmText.Read(vm, changed, "definition", node.Options, out IReadOnlyList<ConfigurationError> errors) is null)
        {
            return Invalid(vm, errors);
        }

        Outcome[] checks = await Task.WhenAll(
            nodes.Except(before).Select(name => orders.AskAsync(name, "check", vm, changed))).ConfigureAwait(false);
        if (checks.FirstOrDefault(check => !check.IsDone) is { } refusal)
        {
            return Outcome.Refused($"{refusal.Text}; nothing has changed");
        }

        return await DefineAsync(vm, changed, [.. nodes.Union(before)], $"may be on {string.Join(", ", nodes)}")
            .ConfigureAwait(false);
    }

    /// <summary>Removes a VM that is off from all its nodes. Its disks stay where they are.</summary>
    public async Task<Outcome> RemoveAsync(string vm)
    {
        if (!store.Has(vm) || node.Find(vm) is not { } record)
        {
            return Outcome.Refused($"VM '{vm}' was not created at run time on this node");
        }

        // Also those that it was placed away from: a node that keeps the definition takes it up again at each start.
        string[] holders =
            [.. record.Definition.Nodes.Append(node.Self.Host.Name)
                .Concat(node.Cluster.Of(new VmId(vm)).Select(told => told.View.Host)).Distinct()];
        foreach (string name in holders)
        {
            Outcome asked = await orders.AskAsync(name, "check-remove", vm, string.Empty).ConfigureAwait(false);
            if (!asked.IsDone)
            {
                return Outcome.Refused($"{asked.Text}; nothing has changed");
            }
        }

        foreach (string name in holders)
        {
            Outcome removed = await orders.AskAsync(name, "remove", vm, string.Empty).ConfigureAwait(false);
            if (!removed.IsDone)
            {
                return new Outcome(
                    removed.State == "unknown" ? "unknown" : "failed",
                    $"{removed.Text}; the nodes before it have removed the VM", []);
            }
        }

        return Outcome.Done(
            $"removed from {string.Join(", ", holders)}; disks and the arbiter's record stay");
    }

    /// <summary>Hands all of a node's roles away and keeps it out, or takes it in again.</summary>
    public Task<Outcome> DrainAsync(string host, bool drain) =>
        orders.AskAsync(host, drain ? "drain" : "undrain", host, string.Empty);

    /// <summary>Injects a fault on a host of the cluster, if it allows that.</summary>
    public Task<Outcome> FaultAsync(string host, FaultOrder order) =>
        orders.AskAsync(host, "fault", order.Vm, JsonSerializer.Serialize(order));

    /// <summary>Carries out what a node's management (this one's or a peer's) wants done here.</summary>
    public async Task<Outcome> HereAsync(string verb, string name, string body)
    {
        try
        {
            return verb switch
            {
                "check" => Check(name, body),
                "define" => await DefineHereAsync(name, body).ConfigureAwait(false),
                "check-remove" => CheckRemove(name),
                "remove" => Remove(name),
                "drain" => await node.DrainHostAsync().ConfigureAwait(false),
                "undrain" => await node.UndrainHostAsync().ConfigureAwait(false),
                "fault" when JsonSerializer.Deserialize<FaultOrder>(body) is { } order =>
                    await node.Faults.InjectAsync(order).ConfigureAwait(false),
                _ => Outcome.Refused($"'{verb}' is not known to this version"),
            };
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or JsonException)
        {
            return Outcome.Failed(problem.Message);
        }
    }

    private static Outcome Invalid(string vm, IReadOnlyList<ConfigurationError> errors) =>
        new("invalid", $"the definition of {vm} has {errors.Count} error{(errors.Count == 1 ? string.Empty : "s")}",
            [.. errors.Select(error => error.ToString())]);

    private async Task<Outcome> DefineAsync(string vm, string text, IReadOnlyList<string> nodes, string words)
    {
        var done = new List<string>();
        // The first node boots the guest: it comes last, when the others know the VM.
        foreach (string name in nodes.Reverse())
        {
            Outcome defined = await orders.AskAsync(name, "define", vm, text).ConfigureAwait(false);
            if (!defined.IsDone)
            {
                bool nothing = done.Count == 0 && defined.State is "refused" or "invalid";
                string those = nothing ? "no node has it"
                    : done.Count == 0 ? $"{name} may have it: repeat the command"
                    : $"{string.Join(", ", done)} has it already: repeat the command";
                return new Outcome(
                    nothing ? "refused" : defined.State == "unknown" ? "unknown" : "failed",
                    $"{defined.Text}; {those}", []);
            }

            done.Add(name);
        }

        return Outcome.Done(words);
    }

    private Outcome Check(string vm, string text)
    {
        VmDefinition? definition = VmText.Read(
            vm, text, "definition", node.Options, out IReadOnlyList<ConfigurationError> errors);
        if (definition is null)
        {
            return Invalid(vm, errors);
        }

        if (node.Find(vm) is { } known && store.Text(vm) != text)
        {
            return Outcome.Refused(
                known.IsStored
                ? $"VM '{vm}' is here already; `colo vm place` changes its nodes"
                : $"VM '{vm}' stands in this node's file");
        }

        VmDefinition[] others = [.. node.Vms.Select(known => known.Definition)];
        if ((DiskClash.Of(definition, others) ?? BackendFactory.TapClash(definition, others)) is { } clash)
        {
            return Outcome.Refused($"{clash} on {node.Self.Host}");
        }

        string? missing = definition.Disks.Where(disk => disk.SizeBytes == 0 && !File.Exists(disk.Path))
            .Select(disk => disk.Path).FirstOrDefault();
        if (missing is not null)
        {
            return Outcome.Refused($"disk {missing} does not exist here and has no size");
        }

        if (definition.Guest.Length > 0)
        {
            try
            {
                GuestImages.Find(definition.Guest);
            }
            catch (CommandLineException problem)
            {
                return Outcome.Refused(problem.Message);
            }
        }

        return Outcome.Done(node.Find(vm) is null ? "can be here" : HereAlready);
    }

    private async Task<Outcome> DefineHereAsync(string vm, string text)
    {
        VmDefinition? definition = VmText.Read(
            vm, text, "definition", node.Options, out IReadOnlyList<ConfigurationError> errors);
        if (definition is null)
        {
            return Invalid(vm, errors);
        }

        if (node.Find(vm) is { } known)
        {
            store.Save(vm, text);
            known.Definition = definition;
            IReadOnlyList<HostId> candidates = [.. definition.Nodes.Select(name => new HostId(name))];
            Effect.CompleteCommand placed = await node.CommandAsync(
                vm, new SetCandidatesCommand(NodeRuntime.NewCommandId(), candidates)).ConfigureAwait(false);
            return placed.Result == CommandResult.Done ? Outcome.Done(placed.Text) : Outcome.Failed(placed.Text);
        }

        foreach (VmDisk disk in definition.Disks.Where(disk => disk.SizeBytes > 0 && !File.Exists(disk.Path)))
        {
            BackendFactory.ForgetDisk(node, definition, disk);
            MakeDisk(disk);
        }

        store.Save(vm, text);
        node.AddVm(definition, isStored: true);
        node.Events.Add(
            vm, new HostEvent(EventCode.VmDefined, Term.Zero, Epoch.Zero, $"on {string.Join(", ", definition.Nodes)}"));
        return Outcome.Done("defined");
    }

    /// <summary>One that is shorter than was wanted would be taken for the VM's the next time.</summary>
    private static void MakeDisk(VmDisk disk)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(disk.Path))!);
        try
        {
            using FileStream made = File.Create(disk.Path);
            made.SetLength(disk.SizeBytes);
        }
        catch (Exception problem) when (problem is IOException or ArgumentException)
        {
            File.Delete(disk.Path);
            throw new IOException($"disk {disk.Path} of {disk.SizeBytes} bytes: {problem.Message}", problem);
        }
    }

    private Outcome CheckRemove(string vm) => node.Find(vm) switch
    {
        null => Outcome.Done("not here"),
        { IsStored: false } => Outcome.Refused($"VM '{vm}' stands in this node's file: remove it there"),
        { Status.Protection: ProtectionState.Off or ProtectionState.Parked } => Outcome.Done("can be removed"),
        var record => Outcome.Refused($"VM '{vm}' is {record.Status?.Role}, not off: `colo vm shutdown {vm}` first"),
    };

    private Outcome Remove(string vm)
    {
        if (CheckRemove(vm) is { IsDone: false } refusal)
        {
            return refusal;
        }

        store.Remove(vm);
        node.RemoveVm(vm);
        return Outcome.Done("removed");
    }
}
