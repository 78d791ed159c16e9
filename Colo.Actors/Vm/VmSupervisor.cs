using Akka.Actor;
using Akka.Event;
using Colo.Actors.Arbiter;
using Colo.Actors.Checkpoint;
using Colo.Actors.Failover;
using Colo.Actors.Links;
using Colo.Actors.Protocol;

namespace Colo.Actors.Vm;

/// <summary>
/// One protected VM on this host: starts its cores and its machine, and carries messages and effects between them.
/// <code>
///   /vms/{vm}  VmSupervisor
///      /failover /checkpoint-primary /checkpoint-secondary /disk /resync    CoreActor each
///      /machine                                                              MachineActor
///      /arbiter                                                              ArbiterActor
/// </code>
/// Effects of one core keep their order, because all of them pass here. A child that fails has broken an invariant or
/// lost its machine: the VM is given up on this host (links cut, guest discarded), which the peer sees at once and
/// answers by winning the term. Nothing is restarted with half a state.
/// </summary>
internal sealed class VmSupervisor : ReceiveActor
{
    private readonly VmRuntime runtime;
    private readonly ILoggingAdapter log = Context.GetLogger();
    private readonly Dictionary<CoreName, IActorRef> cores = [];
    private readonly Dictionary<CommandId, IActorRef> askers = [];
    private readonly IActorRef machine;
    private readonly IActorRef arbiter;
    private VmStatus? status;

    public VmSupervisor(VmRuntime runtime)
    {
        this.runtime = runtime;
        foreach ((CoreName name, IProtocolCore core) in runtime.Cores)
        {
            IActorRef actor = Context.ActorOf(
                Props.Create(() => new CoreActor(name, core, runtime.Time)), ActorNameOf(name));
            cores[name] = actor;
        }

        machine = Context.ActorOf(
            Props.Create(() => new MachineActor(runtime.OpenBackend)).WithDispatcher("colo.machine-dispatcher"), "machine");
        arbiter = Context.ActorOf(Props.Create(() => new ArbiterActor(runtime.Vm, runtime.Arbiter, runtime.ArbiterTimeout)), "arbiter");
        Receive<Decided>(decided => Carry(decided));
        Receive<OperatorCommand>(Command);
        Receive<Message>(message => Route(message));
        Receive<AskVmStatus>(_ => Sender.Tell(new VmStatusAnswer(runtime.Vm, status)));
    }

    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(problem =>
    {
        GiveUp(problem);
        return Directive.Stop;
    });

    private static string ActorNameOf(CoreName name) => name switch
    {
        CoreName.Failover => "failover",
        CoreName.PrimaryCheckpoint => "checkpoint-primary",
        CoreName.SecondaryCheckpoint => "checkpoint-secondary",
        CoreName.Disk => "disk",
        CoreName.Resync => "resync",
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    /// <summary>To the core that takes this kind of message. A message that two cores take goes to both.</summary>
    private void Route(Message message)
    {
        bool taken = false;
        taken |= Offer<IFailoverInput>(message, CoreName.Failover);
        taken |= Offer<IPrimaryCheckpointInput>(message, CoreName.PrimaryCheckpoint);
        taken |= Offer<ISecondaryCheckpointInput>(message, CoreName.SecondaryCheckpoint);
        taken |= Offer<IDiskInput>(message, CoreName.Disk);
        taken |= Offer<IResyncInput>(message, CoreName.Resync);
        if (!taken)
        {
            Unhandled(message);
        }
    }

    private bool Offer<TInput>(Message message, CoreName core)
    {
        if (message is not TInput)
        {
            return false;
        }

        cores[core].Tell(message);
        return true;
    }

    private void Carry(Decided decided)
    {
        switch (decided.Effect)
        {
            case Effect.Send send:
                runtime.Peers.Send(send.To, runtime.Vm, send.Message);
                break;
            case Effect.Tell tell:
                cores[tell.To].Tell(tell.Message);
                break;
            case Effect.AskArbiter or Effect.NoteRecord:
                arbiter.Tell(decided.Effect);
                break;
            case Effect.RunHook hook:
                runtime.Hooks.Run(runtime.Vm, hook);
                break;
            case Effect.CompleteCommand done:
                Complete(done);
                break;
            case Effect.ReportStatus report:
                status = report.Status;
                runtime.Observer.StatusChanged(runtime.Vm, report.Status);
                break;
            case Effect.Emit emit:
                runtime.Observer.Happened(runtime.Vm, emit.Event);
                break;
            default:
                machine.Tell(decided.Effect);
                break;
        }
    }

    private void Command(OperatorCommand command)
    {
        askers[command.Id] = Sender;
        cores[CoreName.Failover].Tell(command);
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
        EventCode code = problem is InvariantViolationException ? EventCode.InvariantViolated : EventCode.GuestEnded;
        runtime.Observer.Happened(runtime.Vm, new HostEvent(code, Term.Zero, Epoch.Zero, $"given up on this host: {problem.Message}"));
        machine.Tell(new Effect.CloseGate("given up"));
        machine.Tell(new Effect.DisconnectReplication("given up"));
        machine.Tell(new Effect.DiscardGuest("given up"));
        runtime.Peers.Forget(runtime.Vm);
        foreach (IActorRef core in cores.Values)
        {
            Context.Stop(core);
        }
    }
}
