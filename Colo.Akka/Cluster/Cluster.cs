using System.Collections.Immutable;
using Akka.Actor;
using Akka.Configuration;
using Akka.Event;
using Akka.Remote;

namespace Akka.Cluster;

/// <summary>Makes the <see cref="Cluster"/> of a system.</summary>
public class ClusterExtension : ExtensionIdProvider<Cluster>
{
    public override Cluster CreateExtension(ExtendedActorSystem system) => new((Actor.Internal.ActorSystemImpl)system);
}

/// <summary>The membership of this node: joining and leaving, who else is there, and who is believed to be
/// dead.</summary>
public class Cluster : IExtension
{
    private readonly RemoteActorRefProvider _provider;
    private readonly IActorRef _core;
    private readonly ILoggingAdapter _log;
    private readonly Actor.Internal.ActorSystemImpl _system;
    private readonly TaskCompletionSource<Done> _stopped;
    private readonly Lock _gate = new();
    private readonly List<Action> _onUp = [];
    private readonly List<Action> _onRemoved = [];
    private readonly List<TaskCompletionSource> _joins = [];
    private volatile ClusterEvent.CurrentClusterState _state = new();
    private volatile Member _selfMember;
    private bool _wasUp;
    private volatile bool _isTerminated;

    internal Cluster(Actor.Internal.ActorSystemImpl system)
    {
        System = _system = system;
        _stopped = new TaskCompletionSource<Done>(system.CompletionOptions);
        if (system.Provider is not RemoteActorRefProvider { } provider || !system.Settings.HasCluster)
        {
            throw new ConfigurationException(
                $"ActorSystem [{system.Name}] needs to have a 'ClusterActorRefProvider' enabled in the configuration, currently uses {system.Provider.GetType().FullName}");
        }

        _provider = provider;
        _log = Logging.GetLogger(system, "Cluster");
        Settings = new ClusterSettings(system.Settings.Config, system.Name);
        SelfUniqueAddress = new UniqueAddress(provider.DefaultAddress, AddressUidExtension.Uid(system));
        _selfMember = Member.Create(SelfUniqueAddress, Settings.Roles, Settings.AppVersion).Copy(MemberStatus.Removed);
        FailureDetector = new DefaultFailureDetectorRegistry<Address>(
            () => FailureDetectorLoader.Load(Settings.FailureDetectorConfig, system));
        DowningProvider = Akka.Cluster.DowningProvider.Load(Settings.DowningProviderType, system, this);
        _core = system.SystemActorOf(
            ClusterDaemon.Place(Props.Create(() => new ClusterDaemon(this)), Settings.UseDispatcher), "cluster");
        RegisterShutdown();
    }

    /// <summary>Whether the node is not in a cluster any more, and never will be with this system.</summary>
    public bool IsTerminated => _isTerminated;

    public ClusterSettings Settings { get; }

    public Address SelfAddress => SelfUniqueAddress.Address;

    public UniqueAddress SelfUniqueAddress { get; }

    public ImmutableHashSet<string> SelfRoles => Settings.Roles;

    /// <summary>Status Removed before the node has joined and after it has left.</summary>
    public Member SelfMember => _selfMember;

    /// <summary>The cluster as this node saw it last.</summary>
    public ClusterEvent.CurrentClusterState State => _state;

    public ExtendedActorSystem System { get; }

    public DefaultFailureDetectorRegistry<Address> FailureDetector { get; }

    public IDowningProvider DowningProvider { get; }

    public bool IsUp => SelfMember.Status is MemberStatus.Up;

    /// <summary>Whether this node was given up by the others.</summary>
    internal bool WasDowned { get; set; }

    public static Cluster Get(ActorSystem system) => system.WithExtension<Cluster, ClusterExtension>();

    /// <summary>Asks the node at <paramref name="address"/> for admission; one's own address founds a
    /// cluster.</summary>
    public void Join(Address address)
    {
        ArgumentNullException.ThrowIfNull(address);
        _core.Tell(new ClusterCommand.JoinTo(FillLocal(address)));
    }

    /// <summary>As <see cref="Join"/>; completes when this node is Up.</summary>
    /// <exception cref="ClusterJoinFailedException">The node was removed, or the token asked to give up, before it was
    /// Up.</exception>
    public Task JoinAsync(Address address, CancellationToken token = default)
    {
        var joined = WhenUp(token);
        Join(address);
        return joined;
    }

    public void JoinSeedNodes(IEnumerable<Address> seedNodes)
    {
        ArgumentNullException.ThrowIfNull(seedNodes);
        _core.Tell(new ClusterCommand.JoinSeeds([.. seedNodes.Select(FillLocal)]));
    }

    /// <summary>As <see cref="JoinSeedNodes"/>; completes when this node is Up.</summary>
    /// <exception cref="ClusterJoinFailedException">The node was removed, or the token asked to give up, before it was
    /// Up.</exception>
    public Task JoinSeedNodesAsync(IEnumerable<Address> seedNodes, CancellationToken token = default)
    {
        var joined = WhenUp(token);
        JoinSeedNodes(seedNodes);
        return joined;
    }

    /// <summary>Lets a member leave in good order.</summary>
    public void Leave(Address address)
    {
        ArgumentNullException.ThrowIfNull(address);
        _core.Tell(new ClusterCommand.Leave(FillLocal(address)));
    }

    /// <summary>Leaves in good order; completes when this node is removed.</summary>
    public Task LeaveAsync() => LeaveAsync(CancellationToken.None);

    public Task LeaveAsync(CancellationToken token)
    {
        if (IsTerminated)
        {
            return Task.CompletedTask;
        }

        var left = new TaskCompletionSource(_system.CompletionOptions);
        RegisterOnMemberRemoved(() => _system.Complete(() => left.TrySetResult()));
        Leave(SelfAddress);
        return token.CanBeCanceled ? left.Task.WaitAsync(token) : left.Task;
    }

    /// <summary>Gives a member up: it counts as dead, whatever it does, and is removed.</summary>
    public void Down(Address address)
    {
        ArgumentNullException.ThrowIfNull(address);
        _core.Tell(new ClusterCommand.Down(FillLocal(address)));
    }

    /// <summary>First a <see cref="ClusterEvent.CurrentClusterState"/>, then every event of these types.</summary>
    public void Subscribe(IActorRef subscriber, params Type[] to) =>
        Subscribe(subscriber, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsSnapshot, to);

    /// <exception cref="ArgumentException">No type was given, or one that is no cluster event.</exception>
    public void Subscribe(IActorRef subscriber, ClusterEvent.SubscriptionInitialStateMode initialStateMode, params Type[] to)
    {
        ArgumentNullException.ThrowIfNull(to);
        if (to.Length == 0)
        {
            throw new ArgumentException("At least one `IClusterDomainEvent` class is required", nameof(to));
        }

        if (Array.Find(to, type => !typeof(ClusterEvent.IClusterDomainEvent).IsAssignableFrom(type)) is { } wrong)
        {
            throw new ArgumentException($"Subscribe to `IClusterDomainEvent` or subclasses, was [{wrong}]", nameof(to));
        }

        _core.Tell(new ClusterCommand.Subscribe(subscriber, initialStateMode, [.. to]));
    }

    public void Unsubscribe(IActorRef subscriber) => Unsubscribe(subscriber, null);

    public void Unsubscribe(IActorRef subscriber, Type to) => _core.Tell(new ClusterCommand.Unsubscribe(subscriber, to));

    /// <summary>Sends a <see cref="ClusterEvent.CurrentClusterState"/>.</summary>
    public void SendCurrentClusterState(IActorRef receiver) => _core.Tell(new ClusterCommand.SendState(receiver));

    /// <summary>Runs once this node is Up; at once when it is.</summary>
    public void RegisterOnMemberUp(Action callback)
    {
        ArgumentNullException.ThrowIfNull(callback);
        lock (_gate)
        {
            if (!_wasUp)
            {
                _onUp.Add(callback);
                return;
            }
        }

        callback();
    }

    /// <summary>Runs once this node is removed; at once when it is.</summary>
    public void RegisterOnMemberRemoved(Action callback)
    {
        ArgumentNullException.ThrowIfNull(callback);
        lock (_gate)
        {
            if (!IsTerminated)
            {
                _onRemoved.Add(callback);
                return;
            }
        }

        callback();
    }

    /// <summary>The path of a local actor as other nodes write it.</summary>
    public ActorPath RemotePathOf(IActorRef actorRef)
    {
        ArgumentNullException.ThrowIfNull(actorRef);
        var path = actorRef.Path;
        return path.Address.HasGlobalScope ? path : (path.Root.Address.Equals(SelfAddress) ? path : (new RootActorPath(SelfAddress) / path.Elements).WithUid(path.Uid));
    }

    internal IActorRef RefAt(Address address, string name) =>
        _provider.ResolveActorRef(new RootActorPath(address) / "system" / "cluster" / name);

    internal void Update(ClusterEvent.CurrentClusterState state, Member self)
    {
        _state = state;
        _selfMember = self;
        if (self.Status is MemberStatus.Up or MemberStatus.Leaving or MemberStatus.Exiting)
        {
            List<Action> callbacks;
            List<TaskCompletionSource> joins;
            lock (_gate)
            {
                _wasUp = true;
                callbacks = [.. _onUp];
                _onUp.Clear();
                joins = [.. _joins];
                _joins.Clear();
            }

            joins.ForEach(join => _system.Complete(() => join.TrySetResult()));
            Run(callbacks);
        }
    }

    /// <summary>The core has stopped: this node is in no cluster any more.</summary>
    internal void Stopped()
    {
        List<Action> callbacks;
        lock (_gate)
        {
            _isTerminated = true;
            callbacks = [.. _onRemoved];
            _onRemoved.Clear();
        }

        _system.Complete(() => _stopped.TrySetResult(Done.Instance));
        FailJoins("the node has left the cluster, or its system has shut down");
        Run(callbacks);
        if (WasDowned && Settings.RunCoordinatedShutdownWhenDown)
        {
            CoordinatedShutdown.Get(System).Run(CoordinatedShutdown.ClusterDowningReason.Instance);
        }
    }

    internal void JoinFailed()
    {
        FailJoins("none of the seed nodes admitted it in time");
        CoordinatedShutdown.Get(System).Run(CoordinatedShutdown.ClusterJoinUnsuccessfulReason.Instance);
    }

    internal void Exiting() =>
        CoordinatedShutdown.Get(System).Run(CoordinatedShutdown.ClusterLeavingReason.Instance);

    internal void NodeGone(UniqueAddress node, MemberStatus previousStatus)
    {
        // One that left by itself is known to be gone, and its own end tells its watchers; one that was given up must
        // not come back.
        if (previousStatus != MemberStatus.Exiting)
        {
            _provider.Quarantine(node.Address, node.Uid);
        }

        AddressTerminatedTopic.Get(System).Publish(new AddressTerminated(node.Address));
        _provider.NodeGone(node.Address);
    }

    private void RegisterShutdown()
    {
        var shutdown = CoordinatedShutdown.Get(System);
        shutdown.AddTask(CoordinatedShutdown.PhaseClusterLeave, "leave", () => AskCore(
            new ClusterCommand.LeaveAndWaitForExiting(), shutdown.Timeout(CoordinatedShutdown.PhaseClusterLeave)));
        shutdown.AddTask(CoordinatedShutdown.PhaseClusterExitingDone, "exiting-completed", () => AskCore(
            new ClusterCommand.ExitingCompleted(), shutdown.Timeout(CoordinatedShutdown.PhaseClusterExitingDone)));
        shutdown.AddTask(CoordinatedShutdown.PhaseClusterShutdown, "wait-shutdown", () =>
        {
            _core.Tell(new ClusterCommand.Stop());
            return _stopped.Task;
        });
    }

    private async Task<Done> AskCore(ClusterCommand command, TimeSpan timeout)
    {
        if (IsTerminated)
        {
            return Done.Instance;
        }

        var answer = _core.Ask<Done>(command, timeout);
        await Task.WhenAny(answer, _stopped.Task).ConfigureAwait(false);
        return Done.Instance;
    }

    private Task WhenUp(CancellationToken token)
    {
        if (IsTerminated)
        {
            return Task.FromException(new ClusterJoinFailedException("Cluster has already been terminated"));
        }

        var joined = new TaskCompletionSource(_system.CompletionOptions);
        lock (_gate)
        {
            if (IsUp)
            {
                return Task.CompletedTask;
            }

            _joins.Add(joined);
        }

        if (token.CanBeCanceled)
        {
            token.Register(() => joined.TrySetException(new ClusterJoinFailedException("Node has not managed to join the cluster before it was asked to give up")));
        }

        return joined.Task;
    }

    private void FailJoins(string reason)
    {
        List<TaskCompletionSource> joins;
        lock (_gate)
        {
            joins = [.. _joins];
            _joins.Clear();
        }

        joins.ForEach(join => _system.Complete(() => join.TrySetException(
            new ClusterJoinFailedException($"Node did not join the cluster: {reason}"))));
    }

    private void Run(List<Action> callbacks)
    {
        foreach (var callback in callbacks)
        {
            try
            {
                callback();
            }
            catch (Exception error)
            {
                _log.Error(error, "A callback of the cluster has failed");
            }
        }
    }

    private Address FillLocal(Address address) =>
        address.Equals(System.Provider.RootPath.Address) ? SelfAddress : address;
}
