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
public sealed class NodeSupervisor : ReceiveActor
{
    private readonly ILoggingAdapter log = Context.GetLogger();
    private readonly SortedDictionary<string, IActorRef> vms = new(StringComparer.Ordinal);
    private readonly IActorRef heartbeat;
    private readonly Action<string> fatal;

    public NodeSupervisor(HeartbeatLoop loop, Action<string> fatal)
    {
        this.fatal = fatal;
        heartbeat = Context.ActorOf(Props.Create(() => new HeartbeatActor(loop)), "heartbeat");
        Receive<AddVm>(Add);
        Receive<ForVm>(message => Find(message.Vm)?.Tell(message.Message, Sender));
        Receive<CommandVm>(Command);
        Receive<VmGlanced>(message => heartbeat.Tell(message));
        Receive<RemoveVm>(Remove);
        Receive<PeerLost>(ToAll);
        Receive<GatewayChanged>(ToAll);
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

    private void Add(AddVm add)
    {
        string name = add.Runtime.Vm.Name;
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
        if (vms.Remove(remove.Vm.Name, out IActorRef? vm))
        {
            Context.Stop(vm);
            heartbeat.Tell(new VmGlanced(remove.Vm, new VmGlance(Term.Zero, false)));
        }
    }

    private void Command(CommandVm command)
    {
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
