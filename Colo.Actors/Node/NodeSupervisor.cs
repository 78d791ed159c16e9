using Akka.Actor;
using Akka.Event;
using Colo.Actors.Failover;
using Colo.Actors.Heartbeat;
using Colo.Actors.Protocol;
using Colo.Actors.Vm;

namespace Colo.Actors.Node;

/// <summary>
/// The root of a node's actors.
/// <code>
/// /user/node            NodeSupervisor
///    /heartbeat         HeartbeatActor: who is alive, over every network
///    /vm-{name}         VmSupervisor, one a VM
/// </code>
/// A VM that fails is given up by its own supervisor; a heartbeat monitor that fails has broken an invariant, and a
/// node that cannot tell who is alive is of no use to its peers: the node stops, and they take over.
/// </summary>
public sealed class NodeSupervisor : ReceiveActor, IWithUnboundedStash
{
    private readonly ILoggingAdapter log = Context.GetLogger();
    private readonly SortedDictionary<string, IActorRef> vms = new(StringComparer.Ordinal);

    // VMs that were removed and whose actors have not ended yet, by the actor. What concerns one of that name waits: its
    // successor takes the same name, the same disks and the same interfaces.
    private readonly Dictionary<IActorRef, string> leaving = [];
    private readonly IActorRef heartbeat;
    private readonly Action<string> fatal;

    public NodeSupervisor(HeartbeatLoop loop, Action<string> fatal)
    {
        this.fatal = fatal;
        heartbeat = Context.ActorOf(Props.Create(() => new HeartbeatActor(loop)), "heartbeat");
        Receive<AddVm>(Add);
        Receive<ForVm>(Forward);
        Receive<CommandVm>(Command);
        Receive<VmGlanced>(Glanced);
        Receive<RemoveVm>(Remove);
        Receive<Terminated>(Ended);
        Receive<PeerLost>(ToAll);
        Receive<GatewayChanged>(ToAll);
    }

    public IStash Stash { get; set; } = null!;

    /// <summary>To begin anew would end all guests and lose the heartbeats' inbox: the peers take over from a node that
    /// is gone, and not from one that lives on without them.</summary>
    protected override void PreRestart(Exception reason, object message)
    {
        fatal($"the node's supervisor failed: {reason.Message}");
        base.PreRestart(reason, message);
    }

    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(problem =>
    {
        if (Sender.Equals(heartbeat))
        {
            fatal($"the heartbeat monitor failed: {problem.Message}");
            return Directive.Escalate;
        }

        log.Error(problem, "a VM's supervisor failed");
        return Directive.Stop;
    });

    private IActorRef? Find(VmId vm) => vms.GetValueOrDefault(vm.Name);

    /// <summary>Whether what concerns this VM waits for the end of its predecessor.</summary>
    private bool Waits(string vm)
    {
        if (!leaving.ContainsValue(vm))
        {
            return false;
        }

        Stash.Stash();
        return true;
    }

    private void Forward(ForVm message)
    {
        if (!Waits(message.Vm.Name))
        {
            Find(message.Vm)?.Tell(message.Message, Sender);
        }
    }

    private void Add(AddVm add)
    {
        string name = add.Runtime.Vm.Name;
        if (Waits(name))
        {
            return;
        }

        if (vms.ContainsKey(name))
        {
            log.Warning("VM {0} is here already", name);
            return;
        }

        IActorRef vm = Context.ActorOf(Props.Create(() => new VmSupervisor(add.Runtime)), "vm-" + name);
        vms[name] = vm;
        heartbeat.Tell(new VmGlanced(add.Runtime.Vm, new VmGlance(Term.Zero, false)));
        vm.Tell(new NodeStarted());
    }

    private void Remove(RemoveVm remove)
    {
        if (!Waits(remove.Vm.Name) && vms.Remove(remove.Vm.Name, out IActorRef? vm))
        {
            leaving[vm] = remove.Vm.Name;
            Context.Watch(vm);
            Context.Stop(vm);
            heartbeat.Tell(new VmGone(remove.Vm));
        }
    }

    /// <summary>What a VM says whose actors are about to end would be said of it for ever.</summary>
    private void Glanced(VmGlanced glanced)
    {
        if (vms.ContainsKey(glanced.Vm.Name))
        {
            heartbeat.Tell(glanced);
        }
    }

    private void Ended(Terminated ended)
    {
        leaving.Remove(ended.ActorRef);
        Stash.UnstashAll();
    }

    private void Command(CommandVm command)
    {
        if (Waits(command.Vm.Name))
        {
            return;
        }

        if (Find(command.Vm) is { } vm)
        {
            vm.Forward(command.Command);
        }
        else
        {
            Sender.Tell(new Effect.CompleteCommand(command.Command.Id, CommandResult.Refused, $"VM '{command.Vm}' is not known on this node"));
        }
    }

    private void ToAll(Message message)
    {
        foreach (IActorRef vm in vms.Values)
        {
            vm.Tell(message);
        }
    }
}
