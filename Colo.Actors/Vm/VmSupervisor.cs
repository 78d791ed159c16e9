using Akka.Actor;
using Akka.Event;
using Colo.Actors.Arbiter;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Actors.Vm;

/// <summary>
/// One protected VM on this host: starts its parts and carries messages and effects between them.
/// <code>
///   /user/node/vm-{name}  VmSupervisor
///      /protocol         VmProtocolActor: every decision of this VM
///      /machine          MachineActor: guest, gate, network, disks, links
///      /arbiter          ArbiterActor: compare-and-set of (vm, term)
/// </code>
/// Effects keep their order, because all of them pass here. A child that fails has broken an invariant or lost its
/// machine: the VM is given up on this host (links cut, guest discarded), which the peer sees at once and answers by
/// winning the term. Nothing is restarted with half a state.
/// </summary>
public sealed class VmSupervisor : ReceiveActor
{
    private readonly VmRuntime runtime;
    private readonly ILoggingAdapter log = Context.GetLogger();
    private readonly Dictionary<CommandId, IActorRef> askers = [];
    private readonly Dictionary<HostId, HostIdentity> lives = [];
    private readonly IActorRef protocol;
    private readonly IActorRef machine;
    private readonly IActorRef arbiter;
    private VmStatus? status;
    private bool givenUp;

    public VmSupervisor(VmRuntime runtime)
    {
        this.runtime = runtime;
        protocol = Context.ActorOf(Props.Create(() => new VmProtocolActor(runtime.Protocol, runtime.Time)), "protocol");
        Props carrying = Props.Create(() => new MachineActor(runtime.OpenBackend));
        machine = Context.ActorOf(carrying.WithDispatcher("colo.machine-dispatcher"), "machine");
        Props asking = Props.Create(
            () => new ArbiterActor(runtime.Vm, runtime.Arbiter, runtime.ArbiterTimeout, runtime.Time));
        arbiter = Context.ActorOf(asking, "arbiter");
        Receive<Effect>(Carry);
        Receive<OperatorCommand>(Command);
        Receive<PeerMessage>(message =>
        {
            NoteLife(message.From);
            protocol.Tell(message);
        });
        Receive<ReplicationLinkLost>(lost => protocol.Tell(WithLife(lost)));
        Receive<Message>(message => protocol.Tell(message));
        Receive<VmGlance>(glance => runtime.Observer.Glanced(runtime.Vm, glance));
    }

    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(problem =>
    {
        GiveUp(problem);
        return Directive.Stop;
    });

    private void Carry(Effect effect)
    {
        switch (effect)
        {
            case Effect.Send send:
                runtime.Peers.Send(send.To, runtime.Vm, send.Message);
                break;
            case Effect.AskArbiter or Effect.NoteRecord:
                arbiter.Tell(effect);
                break;
            case Effect.RunHook hook:
                runtime.Hooks.Run(runtime.Vm, hook);
                break;
            case Effect.CompleteCommand done:
                Complete(done);
                break;
            case Effect.ReportStatus report when !givenUp:
                status = report.Status;
                runtime.Observer.StatusChanged(runtime.Vm, status);
                break;
            case Effect.ReportStatus:
                break; // of a VM that is not here any more
            case Effect.Emit emit:
                runtime.Observer.Happened(runtime.Vm, emit.Event);
                break;
            default:
                machine.Tell(effect);
                break;
        }
    }

    /// <summary>A message of an earlier life that comes late says nothing about which life the links are
    /// with.</summary>
    private void NoteLife(HostIdentity from)
    {
        if (!lives.TryGetValue(from.Host, out HostIdentity known) || known.Incarnation.Value < from.Incarnation.Value)
        {
            lives[from.Host] = from;
        }
    }

    /// <summary>A mechanism knows the peer's host at most; the cores speak of the life of it that they are in session
    /// with.</summary>
    private ReplicationLinkLost WithLife(ReplicationLinkLost lost)
    {
        HostIdentity peer = lives.TryGetValue(lost.Peer.Host, out HostIdentity life) ? life : runtime.Protocol.Failover.Peer ?? lost.Peer;
        return lost with { Peer = peer };
    }

    private void Command(OperatorCommand command)
    {
        if (givenUp)
        {
            Sender.Tell(new Effect.CompleteCommand(command.Id, CommandResult.Refused, "this host has given the VM up; see its events"));
            return;
        }

        askers[command.Id] = Sender;
        protocol.Tell(command);
    }

    private void Complete(Effect.CompleteCommand done)
    {
        if (askers.Remove(done.Id, out IActorRef? asker))
        {
            asker.Tell(done);
        }
    }

    private void GiveUp(Exception problem)
    {
        log.Error(problem, "VM {0} is given up on this host", runtime.Vm);
        givenUp = true;
        machine.Tell(new Effect.CloseGate("given up"));
        machine.Tell(new Effect.DisconnectReplication("given up"));
        machine.Tell(new Effect.DiscardGuest("given up"));
        runtime.Observer.Glanced(runtime.Vm, new VmGlance(Term.Zero, false));
        runtime.Observer.StatusChanged(
            runtime.Vm,
            new VmStatus(
                VmRole.None, ProtectionState.Parked, status?.Term ?? Term.Zero, status?.Epoch ?? Epoch.Zero, null,
                "GivenUp", "a restart of the node"));
        runtime.Observer.Happened(
            runtime.Vm,
            new HostEvent(EventCode.InvariantViolated, Term.Zero, Epoch.Zero, $"given up on this host: {problem.Message}"));
    }
}
