using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Actor.Internal;
using Akka.Dispatch;
using Akka.Dispatch.SysMsg;
using Akka.Event;
using Akka.Remote.Serialization.Proto;
using Akka.Serialization;

namespace Akka.Remote.Transport;

/// <summary>
/// The remoting of one system: its transport, an <see cref="Association"/> for each address it talks to, and the links
/// that peers opened.
/// </summary>
internal sealed class Remoting : ILinkAcceptor
{
    private readonly ConcurrentDictionary<Address, Association> _associations = new();
    private readonly ConcurrentDictionary<InboundLink, bool> _inbound = new();
    private readonly ActorSystemImpl _system;
    private readonly RemoteActorRefProvider _provider;
    private readonly MessageDispatcher _dispatcher;
    private readonly TimeSpan _beatInterval;
    private readonly int _beatsOfSilence;
    private readonly WireTypes _wireTypes;
    private ICancelable _beats;
    private long _accepted;

    internal Remoting(ActorSystemImpl system, RemoteActorRefProvider provider, ITransport transport, int maximumPayloadSize)
    {
        _system = system;
        _provider = provider;
        Transport = transport;
        MaximumPayloadSize = maximumPayloadSize;
        Settings = provider.RemoteSettings;
        Log = Logging.GetLogger(system, "remoting");
        _wireTypes = new WireTypes(() => Serialization.BoundTypes);
        Uid = AddressUidExtension.Uid(system);
        _dispatcher = system.Dispatchers.Lookup(Settings.Dispatcher);
        _beatInterval = Settings.TransportFailureDetectorConfig.GetTimeSpan("heartbeat-interval");
        var pause = Settings.TransportFailureDetectorConfig.GetTimeSpan("acceptable-heartbeat-pause");
        _beatsOfSilence = Math.Max(2, (int)(pause / _beatInterval));
    }

    internal RemoteSettings Settings { get; }

    internal ITransport Transport { get; }

    internal ILoggingAdapter Log { get; }

    internal Akka.Serialization.Serialization Serialization => _system.Serialization;

    internal int Uid { get; }

    internal int MaximumPayloadSize { get; }

    internal Address LocalAddress { get; private set; }

    internal TimeSpan Now => _system.Scheduler.MonotonicClock;

    /// <summary>What references inside messages are written with.</summary>
    internal Information Information { get; private set; }

    internal void Start()
    {
        LocalAddress = Transport.Listen(_system.Name, this);
        Information = new Information(LocalAddress, _system);
        _beats = _system.Scheduler.Advanced.ScheduleRepeatedlyCancelable(_beatInterval, _beatInterval, Beat);
        Publish(new RemotingListenEvent([LocalAddress]));
    }

    internal async Task ShutdownAsync()
    {
        _beats?.Cancel();
        var finished = _associations.OrderBy(item => item.Key, Address.Comparer).Select(item => item.Value).Select(association =>
        {
            var done = new TaskCompletionSource(_system.CompletionOptions);
            association.Tell(new AssociationCommand.Finish(done));
            return done.Task;
        }).ToList();
        var patience = new TaskCompletionSource(_system.CompletionOptions);
        After(Settings.FlushWait, () => patience.TrySetResult());
        await Task.WhenAny(Task.WhenAll(finished), patience.Task).ConfigureAwait(false);
        await Transport.ShutdownAsync(Settings.FlushWait).ConfigureAwait(false);
        Publish(new RemotingShutdownEvent());
    }

    public ILinkHandler Accept() => new InboundLink(this, Interlocked.Increment(ref _accepted));

    internal Association AssociationFor(Address remote) =>
        _associations.GetOrAdd(remote, static (address, remoting) => new Association(remoting, address), this);

    internal bool IsLocal(Address address) => address.Equals(LocalAddress);

    internal void Schedule(IRunnable association) => _dispatcher.Schedule(association);

    internal void After(TimeSpan delay, Action action)
    {
        try
        {
            _system.Scheduler.Advanced.ScheduleOnce(delay, action);
        }
        catch (SchedulerException)
        {
            // The system has ended; nothing happens later any more.
        }
    }

    /// <summary>Closes every link at once: the system has ended without the usual order.</summary>
    internal void Abort()
    {
        _beats?.Cancel();
        _ = Transport.ShutdownAsync(TimeSpan.Zero);
    }

    internal FailureDetector CreateLinkDetector() =>
        FailureDetectorLoader.Load(Settings.TransportFailureDetectorConfig, _system);

    internal void Add(InboundLink link) => _inbound[link] = true;

    internal void Remove(InboundLink link) => _inbound.TryRemove(link, out _);

    internal void CloseInbound(Address remote, int uid)
    {
        foreach (var link in _inbound.Keys.Where(link => link.Uid == uid && remote.Equals(link.Remote)).OrderBy(link => link.Number))
        {
            link.Abort();
        }
    }

    internal void Quarantine(Address remote, int? uid) =>
        AssociationFor(remote).Tell(new AssociationCommand.Quarantine(uid));

    internal void PeerRestarted(Address remote, int uid) => _provider.PeerRestarted(remote, uid);

    internal void Publish(RemotingLifecycleEvent happened)
    {
        _system.EventStream.Publish(happened);
        if (Settings.LogRemoteLifecycleEvents)
        {
            Log.Log(happened.LogLevel(), null, happened.ToString());
        }
    }

    internal void ToDeadLetters(in OutboundMessage message)
    {
        if (!message.IsSystem)
        {
            _system.DeadLetters.Tell(new DeadLetter(message.Message, message.Sender ?? _system.DeadLetters, message.Recipient), message.Sender);
        }
    }

    internal void Drop(in OutboundMessage message, string reason) =>
        _system.EventStream.Publish(
            new Dropped(message.Message, reason, message.Sender ?? _system.DeadLetters, message.Recipient));

    /// <exception cref="WireFormatException">The path names no actor of this system.</exception>
    internal InboundRecipient ResolveRecipient(string path) => new(path, ResolveLocal(path));

    /// <exception cref="WireFormatException">The path names no actor of this system.</exception>
    internal IInternalActorRef ResolveLocal(string path) =>
        _provider.ResolveActorRef(path) is IInternalActorRef actor and not RemoteActorRef
            ? actor
            : throw new WireFormatException($"a message for '{path}', which is not of this system ({LocalAddress})");

    internal IActorRef ResolveSender(string path) => _provider.ResolveActorRef(path);

    internal object Deserialize(ReadOnlySpan<byte> payload, int serializerId, string manifest)
    {
        try
        {
            using var scope = new MessageEncoder.TransportScope(this);
            var serializer = Serialization.SerializerById(serializerId);
            var bytes = payload.ToArray();
            var message = serializer is SerializerWithStringManifest named
                ? named.FromBinary(bytes, manifest)
                : serializer.FromBinary(bytes, manifest.Length == 0 ? null : _wireTypes.Find(manifest));
            return message ?? throw new WireFormatException($"a null message (serializer {serializerId}, manifest '{manifest}')");
        }
        catch (Exception error) when (error is not WireFormatException)
        {
            throw new WireFormatException(
                $"a message that cannot be read (serializer {serializerId}, manifest '{manifest}'): {error.GetType().Name}: {error.Message}");
        }
    }

    /// <summary>Refuses a message of a type that the receiver, with the same settings, would not make.</summary>
    internal void CheckIsBound(Serializer serializer, Type type)
    {
        if (serializer is not SerializerWithStringManifest && serializer.IncludeManifest && !_wireTypes.IsAllowed(type))
        {
            throw new System.Runtime.Serialization.SerializationException(
                $"No serializer is bound to {type}, so it does not cross nodes; bind one under akka.actor.serialization-bindings.");
        }
    }

    internal void Deliver(InboundRecipient recipient, object message, IActorRef sender)
    {
        var actor = recipient.Current(this);
        if (Settings.LogReceive)
        {
            Log.Debug("received message [{0}] for {1} from {2}", message, recipient.Path, sender);
        }

        if (message is ISystemMessage)
        {
            throw new WireFormatException($"the system message {message.GetType().Name} in an envelope for user messages");
        }

        if (Settings.UntrustedMode && !IsTrusted(message))
        {
            Log.Debug("operating in UntrustedMode, dropping inbound message of type [{0}] to {1}", message.GetType(), recipient.Path);
            return;
        }

        actor.Tell(message, sender ?? _system.DeadLetters);
    }

    internal void DeliverSystem(SystemEnvelope envelope, IInternalActorRef recipient)
    {
        if (Settings.UntrustedMode && envelope.Kind == SystemMessageKind.SystemTerminate)
        {
            Log.Debug("operating in UntrustedMode, dropping inbound system message {0} to {1}", envelope.Kind, recipient);
            return;
        }

        SystemMessages.Deliver(envelope, recipient, ResolveSender);
    }

    private bool IsTrusted(object message) => message switch
    {
        ActorSelectionMessage selection =>
            selection.Message is not IPossiblyHarmful
            && Settings.TrustedSelectionPaths.Contains("/" + string.Join('/', selection.Elements.Select(element => element.ToString()))),
        _ => message is not IPossiblyHarmful,
    };

    private void Beat()
    {
        foreach (var (_, association) in _associations.OrderBy(item => item.Key, Address.Comparer))
        {
            association.Tell(new AssociationCommand.Beat());
        }

        foreach (var link in _inbound.Keys.OrderBy(link => link.Number))
        {
            link.Beat(_beatsOfSilence);
        }
    }
}
