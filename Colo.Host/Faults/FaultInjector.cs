using System.Collections.Concurrent;
using System.Net;
using Colo.Actors.Protocol;
using Colo.Host.Cluster;
using Colo.Host.Configuration;
using Colo.Host.Node;
using Colo.Vmm.Block;

namespace Colo.Host.Faults;

/// <summary>
/// Faults that a node does to itself on an operator's order, to find out whether what was built for them works. Refused
/// unless the node was started with <c>colo.drills.allowed</c>. Every injection has a time limit, is an event when it
/// begins and when it ends, and ends with the process. Any thread.
/// </summary>
public sealed class FaultInjector : IDisposable
{
    private const int Kept = 200;

    /// <summary>What ends this process, stops it or makes it deaf comes when the order has been answered.</summary>
    private static readonly TimeSpan AnswerFirst = TimeSpan.FromMilliseconds(500);

    private readonly NodeRuntime node;
    private readonly TimeProvider time;
    private readonly Action<VmId, Message> tell;
    private readonly Lock gate = new();
    private readonly SortedDictionary<long, RunningFault> injections = [];
    private readonly Dictionary<long, (Action End, ITimer Timer)> running = [];
    private readonly ConcurrentDictionary<string, DiskFaults> disks = new(StringComparer.Ordinal);
    private long last;

    /// <param name="tell">Gives a message to the actors of a VM.</param>
    public FaultInjector(NodeRuntime node, TimeProvider time, Action<VmId, Message> tell)
    {
        this.node = node;
        this.time = time;
        this.tell = tell;
    }

    /// <summary>Ends or stops this process; a test puts something else in its place.</summary>
    internal Action<FaultOrder> OnProcess { get; set; } = Strike;

    /// <summary>What the disks of a VM suffer; null where no drill is allowed, so that nothing stands in their
    /// way.</summary>
    public DiskFaults? DisksOf(string vm) =>
        node.Options.DrillsAllowed ? disks.GetOrAdd(vm, _ => new DiskFaults()) : null;

    public FaultsView View()
    {
        lock (gate)
        {
            return new FaultsView(
                1, node.Self.Host.Name, node.Options.DrillsAllowed, FaultKind.Catalogue,
                [.. injections.Values.Reverse()]);
        }
    }

    /// <summary>Begins an injection; F09 begins at the peer as well.</summary>
    public async Task<Outcome> InjectAsync(FaultOrder order)
    {
        if (Refusal(order) is { } refusal)
        {
            return Outcome.Refused(refusal);
        }

        string both = string.Empty;
        if (order.Fault == "F09")
        {
            // The peer first, which answers before it begins: afterwards its answer would not be heard.
            Outcome there = await node.Administration.FaultAsync(
                order.Peer, order with { Fault = "F10", Peer = node.Self.Host.Name }).ConfigureAwait(false);
            if (!there.IsDone)
            {
                return there with { Text = $"{order.Peer} must lose the link too: {there.Text}" };
            }

            both = $", and there ({there.Text})";
        }

        long number = Begin(order);
        return Outcome.Done($"fault {number}: {order.Fault} for {order.For.TotalSeconds:0.###} s{both}");
    }

    /// <summary>Ends an injection before its time; null: all.</summary>
    public Outcome Clear(long? number)
    {
        long[] wanted;
        lock (gate)
        {
            wanted = [.. running.Keys.Where(one => number is null || one == number)];
        }

        if (wanted.Length == 0 && number is not null)
        {
            return Outcome.Refused(
                $"fault {number} is not under way on {node.Self.Host.Name}: `colo fault list` shows those that are");
        }

        Array.ForEach(wanted, one => End(one, "cleared"));
        return Outcome.Done($"{wanted.Length} cleared");
    }

    public void Dispose()
    {
        _ = Clear(null);
    }

    private static void Strike(FaultOrder order)
    {
        if (order.Fault == "F01")
        {
            ProcessSignal.Kill();
        }
        else
        {
            ProcessSignal.Pause(order.For);
        }
    }

    private string? Refusal(FaultOrder order)
    {
        string self = node.Self.Host.Name;
        if (!node.Options.DrillsAllowed)
        {
            return $"{self} was started without colo.drills.allowed = on: it takes no faults";
        }

        if (order.Vm.Length > 0 && node.Find(order.Vm) is null)
        {
            return $"VM '{order.Vm}' is not known on {self}";
        }

        if (order.Peer.Length > 0 && AddressesOf(order.Peer).Count == 0)
        {
            string peers = string.Join(", ", node.Options.Peers.Select(peer => peer.Host.Name));
            return $"'{order.Peer}' is no peer of {self} with an IPv4 address: expected one of {peers}";
        }

        if (order.Fault is "F19" or "F20" or "F21")
        {
            VmDefinition definition = node.Find(order.Vm)!.Definition;
            if (definition.Backend == VmBackendKind.Qemu
                || definition.Disks.All(disk => disk.Mode != VmDiskMode.Replicated))
            {
                return $"VM '{order.Vm}' has no disk that {order.Fault} can strike: expected one of the embedded "
                    + "machine with a replicated disk";
            }
        }

        lock (gate)
        {
            // Two of one kind would end each other.
            return running.Keys.Select(number => injections[number])
                .FirstOrDefault(other => Target(other.Fault) == Target(order.Fault) && other.Vm == order.Vm) is { } same
                ? $"fault {same.Number} ({same.Fault}) is under way on the same" : null;
        }
    }

    private static string Target(string fault) => fault switch
    {
        "F01" or "F04" or "F05" => "process",
        "F09" or "F10" => "links",
        _ => fault,
    };

    private List<IPAddress> AddressesOf(string peer) =>
        [.. node.Options.Peers.Where(known => known.Host.Name == peer).SelectMany(known => known.Networks)
            .Select(network => network.Address)
            .Where(address => address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork)];

    private long Begin(FaultOrder order)
    {
        bool lasts = order.Fault is not ("F01" or "F30");
        string name = FaultKind.Catalogue.First(kind => kind.Id == order.Fault).Name;
        long number;
        lock (gate)
        {
            number = ++last;
            injections[number] = new RunningFault(
                number, order.Fault, name, order.Vm, order.Peer, order.For.TotalSeconds,
                order.Latency.TotalMilliseconds, time.GetUtcNow(), lasts ? null : time.GetUtcNow(),
                lasts ? "running" : "done");
            if (injections.Count > Kept)
            {
                injections.Remove(injections.Keys.First(old => !running.ContainsKey(old)));
            }
        }

        string what = $"fault {number}: {order.Fault}, {name}"
            + (order.Peer.Length > 0 ? $", {order.Peer}" : string.Empty)
            + (lasts ? $", for {order.For.TotalSeconds:0.###} s" : string.Empty);
        node.Events.Add(order.Vm, new HostEvent(EventCode.FaultInjected, Term.Zero, Epoch.Zero, what));
        Action end = Act(order);
        if (lasts)
        {
            ITimer timer = time.CreateTimer(
                _ => End(number, "over"), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            lock (gate)
            {
                running[number] = (end, timer);
            }

            timer.Change(order.For, Timeout.InfiniteTimeSpan);
        }

        return number;
    }

    /// <summary>Begins the fault.</summary>
    /// <returns>What ends it.</returns>
    private Action Act(FaultOrder order)
    {
        switch (order.Fault)
        {
            case "F01" or "F04" or "F05":
                _ = Task.Delay(AnswerFirst, time).ContinueWith(_ => OnProcess(order), TaskScheduler.Default);
                return () => { };
            case "F09" or "F10":
                var loss = new LinkLoss(AddressesOf(order.Peer), AnswerFirst, time);
                return loss.Dispose;
            case "F19":
                DisksOf(order.Vm)!.ReadsFail = true;
                return () => DisksOf(order.Vm)!.ReadsFail = false;
            case "F20":
                DisksOf(order.Vm)!.WritesFail = true;
                return () => DisksOf(order.Vm)!.WritesFail = false;
            case "F21":
                DisksOf(order.Vm)!.Latency = order.Latency;
                return () => DisksOf(order.Vm)!.Latency = TimeSpan.Zero;
            case "F30":
                tell(new VmId(order.Vm), new FaultMessage());
                return () => { };
            default:
                throw new System.Diagnostics.UnreachableException(order.Fault);
        }
    }

    private void End(long number, string how)
    {
        (Action End, ITimer Timer) entry;
        RunningFault ended;
        lock (gate)
        {
            if (!running.Remove(number, out entry))
            {
                return;
            }

            ended = injections[number] with { Ended = time.GetUtcNow(), How = how };
            injections[number] = ended;
        }

        entry.Timer.Dispose();
        entry.End();
        node.Events.Add(
            ended.Vm,
            new HostEvent(EventCode.FaultEnded, Term.Zero, Epoch.Zero, $"fault {number}: {ended.Fault} is {how}"));
    }
}
