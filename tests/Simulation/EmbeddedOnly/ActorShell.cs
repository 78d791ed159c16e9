using Akka.Actor;
using Akka.Actor.Internal;
using Akka.Actor.Setup;
using Akka.Configuration;
using Colo.Actors.Arbiter;
using Colo.Actors.Links;
using Colo.Actors.Protocol;
using Colo.Actors.Vm;

namespace Colo.Simulation.EmbeddedOnly;

/// <summary>
/// The real actors of a VM (<see cref="VmSupervisor"/> and what is below it) over the simulation's models of machine,
/// gate, links, disk and arbiter. Between a decision and its effects there are mailboxes, and other things happen
/// meanwhile.
/// </summary>
internal sealed class ActorShell : IVmShell, IPeerTransport, IVmObserver, IHookRunner
{
    private static readonly Config Settings = ConfigurationFactory.ParseString("""
        akka { loglevel = OFF, stdout-loglevel = OFF, loggers = [], log-dead-letters = off }
        akka.coordinated-shutdown.run-by-clr-shutdown-hook = off
        colo.machine-dispatcher { type = PinnedDispatcher }
        """);

    private readonly SimWorld _world;
    private readonly SimVm _vm;
    private readonly IActorRef _supervisor;
    private readonly IActorRef _operator;
    private bool _ended;

    public ActorShell(SimWorld world, SimHost host, SimVm vm)
    {
        _world = world;
        _vm = vm;
        var machine = new HostRuntime(world, host, vm);
        ActorSystem system = ActorSystem.Create(
            "host", ActorSystemSetup.Create(new RuntimeHooksSetup(machine), BootstrapSetup.Create().WithConfig(Settings)));
        var runtime = new VmRuntime
        {
            Vm = new VmId("vm"),
            Protocol = vm.Protocol,
            OpenBackend = report => new Backend(this),
            Arbiter = new Witness(this),
            ArbiterTimeout = TimeSpan.FromMilliseconds(150),
            Peers = this,
            Observer = this,
            Hooks = this,
            Time = machine.Time,
        };
        _supervisor = system.ActorOf(Props.Create(() => new VmSupervisor(runtime)), "vm");
        _operator = system.ActorOf(Props.Create(() => new Operator(this)), "operator");
    }

    public void Tell(Message message) =>
        _supervisor.Tell(message, message is OperatorCommand ? _operator : ActorRefs.NoSender);

    // The systems of hosts that are dead go with them: their steps never come.
    public void End() => _ended = true;

    void IPeerTransport.Send(HostId to, VmId vm, PeerMessage message) => Guard(() => _vm.Send(new Effect.Send(to, message)));

    void IVmObserver.StatusChanged(VmId vm, VmStatus status) => Guard(() => _vm.Apply(new Effect.ReportStatus(status)));

    void IVmObserver.Happened(VmId vm, HostEvent happened) => Guard(() =>
    {
        _vm.Apply(new Effect.Emit(happened));
        if (happened.Code == EventCode.InvariantViolated)
        {
            throw new InvariantFailureException("actor", $"{_vm.Identity}: {happened.Summary}");
        }
    });

    void IVmObserver.Glanced(VmId vm, VmGlance glance)
    {
    }

    void IHookRunner.Run(VmId vm, Effect.RunHook hook)
    {
    }

    /// <summary>An actor's supervisor would take what the oracle throws; the run must end with it.</summary>
    private void Guard(Action action)
    {
        if (_ended)
        {
            return;
        }

        try
        {
            action();
        }
        catch (Exception problem) when (problem is InvariantFailureException or InvariantViolationException)
        {
            _world.Scheduler.Failure ??= problem;
        }
    }

    private sealed class Backend(ActorShell shell) : IVmBackend
    {
        public void Execute(Effect effect) => shell.Guard(() => shell._vm.Apply(effect));

        public VmGauges Inspect() => new();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    private sealed class Operator(ActorShell shell) : UntypedActor
    {
        protected override void OnReceive(object message) => shell.Guard(() => shell._vm.Apply((Effect)message));
    }

    /// <summary>The witness of the world, asked over its network.</summary>
    private sealed class Witness(ActorShell shell) : IArbiter
    {
        public ValueTask<ArbiterAnswer> ReadAsync(VmId vm, CancellationToken cancellation) => Ask(null, cancellation);

        public ValueTask<ArbiterAnswer> CompareAndSetAsync(ArbiterProposal proposal, CancellationToken cancellation) =>
            Ask(proposal, cancellation);

        private ValueTask<ArbiterAnswer> Ask(ArbiterProposal? proposal, CancellationToken cancellation)
        {
            var answered = new TaskCompletionSource<ArbiterAnswer>();
            cancellation.Register(() => answered.TrySetResult(new ArbiterAnswer.Unknown("no answer in time")));
            shell._world.Witness.Ask(
                shell._vm.Place, proposal, answer => shell._vm.Post(() => answered.TrySetResult(answer)));
            return new ValueTask<ArbiterAnswer>(answered.Task);
        }
    }
}
