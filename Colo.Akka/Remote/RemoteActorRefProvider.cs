using Akka.Actor;
using Akka.Actor.Internal;
using Akka.Configuration;
using Akka.Event;
using Akka.Remote.Transport;
using Akka.Remote.Transport.Tcp;
using Akka.Serialization;

namespace Akka.Remote;

/// <summary>
/// References of this system and of others. What is local goes to a <see cref="LocalActorRefProvider"/>; an address
/// that is not this system's becomes a <see cref="RemoteActorRef"/>. Actors are never made on other nodes.
/// </summary>
public class RemoteActorRefProvider : IActorRefProvider
{
    private readonly LocalActorRefProvider _local;
    private ActorSystemImpl _system;
    private IActorRef _watcher = ActorRefs.Nobody;

    public RemoteActorRefProvider(string systemName, Settings settings, EventStream eventStream)
    {
        ArgumentNullException.ThrowIfNull(settings);
        settings.InjectTopLevelFallback(ConfigurationFactory.FromResource("Akka.Configuration.Remote.conf"));
        RemoteSettings = new RemoteSettings(settings.Config);
        _local = new LocalActorRefProvider(systemName, settings, eventStream);
    }

    public RemoteSettings RemoteSettings { get; }

    public IInternalActorRef RootGuardian => _local.RootGuardian;

    public LocalActorRef Guardian => _local.Guardian;

    public LocalActorRef SystemGuardian => _local.SystemGuardian;

    public IActorRef DeadLetters => _local.DeadLetters;

    public IActorRef IgnoreRef => _local.IgnoreRef;

    public ActorPath RootPath => _local.RootPath;

    public Settings Settings => _local.Settings;

    public Deployer Deployer => _local.Deployer;

    public IInternalActorRef TempContainer => _local.TempContainer;

    public Task TerminationTask => _local.TerminationTask;

    /// <summary>The address that the transport is bound to, as peers write it.</summary>
    public Address DefaultAddress => Remoting?.LocalAddress ?? _local.DefaultAddress;

    public Information SerializationInformation => Remoting?.Information ?? _local.SerializationInformation;

    internal Transport.Remoting Remoting { get; private set; }

    public virtual void Init(ActorSystemImpl system)
    {
        _system = system;
        _local.Init(system);
        var custom = system.Settings.Setup.Get<RemoteTransportSetup>();
        var section = Settings.Config.GetConfig("akka.remote.dot-netty.tcp");
        var transport = custom.HasValue ? custom.Value.Create(system) : new TcpTransport(TcpSettings.Read(section));
        var remoting = new Transport.Remoting(system, this, transport, (int)(section.GetByteSize("maximum-frame-size") ?? 128_000));
        Remoting = remoting;
        remoting.Start();
        system.RegisterOnTermination(remoting.Abort);
        _watcher = system.SystemActorOf(Props.Create(() => new RemoteWatcher(this)), "remote-watcher");
        system.SystemActorOf(Props.Create(() => new RemotingTerminator(this)), "remoting-terminator");
    }

    public IInternalActorRef ActorOf(
        ActorSystemImpl system, Props props, IInternalActorRef supervisor, ActorPath path, bool systemService,
        Deploy deploy, bool lookupDeploy, bool async)
    {
        if (deploy?.Scope is RemoteScope scope && !IsLocal(scope.Address))
        {
            throw new ConfigurationException($"The actor {path} is to be deployed on {scope.Address}; this engine makes actors on its own node only.");
        }

        return _local.ActorOf(system, props, supervisor, path, systemService, deploy, lookupDeploy, async);
    }

    public IActorRef RootGuardianAt(Address address) =>
        IsLocal(address) ? RootGuardian : new RemoteActorRef(this, new RootActorPath(address));

    public IActorRef ResolveActorRef(string path)
    {
        if (!ActorPath.TryParseAddress(path, out var address, out var rest)
            || !ActorPath.TryParse(IsLocal(address) ? RootPath : new RootActorPath(address), rest, out var parsed))
        {
            return _local.ResolveActorRef(path);
        }

        return parsed.Root.Equals(RootPath) ? _local.ResolveActorRef(parsed) : Remote(parsed);
    }

    public IActorRef ResolveActorRef(ActorPath actorPath)
    {
        ArgumentNullException.ThrowIfNull(actorPath);
        if (!IsLocal(actorPath.Address))
        {
            return Remote(actorPath);
        }

        return _local.ResolveActorRef(
            actorPath.Root.Equals(RootPath) ? actorPath : (RootPath / actorPath.Elements).WithUid(actorPath.Uid));
    }

    public ActorPath TempPath() => _local.TempPath();

    public void RegisterTempActor(IInternalActorRef actorRef, ActorPath path) => _local.RegisterTempActor(actorRef, path);

    public void UnregisterTempActor(ActorPath path) => _local.UnregisterTempActor(path);

    public FutureActorRef<T> CreateFutureRef<T>(TaskCompletionSource<T> tcs) => new(tcs, null, this);

    public Address GetExternalAddressFor(Address address)
    {
        ArgumentNullException.ThrowIfNull(address);
        if (IsLocal(address))
        {
            return DefaultAddress;
        }

        return address.Protocol == DefaultAddress.Protocol ? DefaultAddress : null;
    }

    /// <summary>Gives an incarnation of another node up for good; null means the one that is known.</summary>
    public void Quarantine(Address address, int? uid)
    {
        if (!IsLocal(address))
        {
            Remoting.Quarantine(address, uid);
        }
    }

    /// <summary>Whether somebody else than the remote watcher decides when that node is dead.</summary>
    internal virtual bool IsWatchedElsewhere(Address address) => false;

    internal void Watched(IInternalActorRef watchee, IInternalActorRef watcher) =>
        _watcher.Tell(new RemoteWatcher.WatchRemote(watchee, watcher), ActorRefs.NoSender);

    internal void Unwatched(IInternalActorRef watchee, IInternalActorRef watcher) =>
        _watcher.Tell(new RemoteWatcher.UnwatchRemote(watchee, watcher), ActorRefs.NoSender);

    internal void PeerRestarted(Address address, int uid) =>
        _watcher.Tell(new RemoteWatcher.PeerRestarted(address, uid), ActorRefs.NoSender);

    internal void NodeGone(Address address) => _watcher.Tell(new RemoteWatcher.NodeGone(address), ActorRefs.NoSender);

    /// <summary>Sends a watch again, past the remote watcher, which asks for it.</summary>
    internal void SendWatch(IInternalActorRef watchee, IInternalActorRef watcher) =>
        Remoting.AssociationFor(watchee.Path.Address).Send(
            new OutboundMessage(new Dispatch.SysMsg.Watch(watchee, watcher), ActorRefs.NoSender, (RemoteActorRef)watchee));

    /// <summary>The remote watcher of another node.</summary>
    internal IActorRef WatcherAt(Address address) => Remote(new RootActorPath(address) / "system" / "remote-watcher");

    private RemoteActorRef Remote(ActorPath path) => new(this, path);

    private bool IsLocal(Address address) => address.Equals(RootPath.Address) || address.Equals(Remoting?.LocalAddress);
}
