using Akka.Actor;
using Akka.Dispatch.SysMsg;
using Akka.Remote.Transport;

namespace Akka.Remote;

/// <summary>An actor of another system. Telling never blocks; what cannot be sent ends in the dead letters of this
/// system.</summary>
public sealed class RemoteActorRef : InternalActorRefBase, IRemoteRef
{
    private readonly RemoteActorRefProvider _provider;
    private string _wirePath;
    private Association _association;

    internal RemoteActorRef(RemoteActorRefProvider provider, ActorPath path)
    {
        _provider = provider;
        Path = path;
    }

    public override ActorPath Path { get; }

    public override IInternalActorRef Parent => Path.Parent is null
        ? ActorRefs.Nobody
        : new RemoteActorRef(_provider, Path.Parent);

    public override IActorRefProvider Provider => _provider;

    public override bool IsTerminated => false;

    public override bool IsLocal => false;

    /// <summary>The path as it goes over the wire.</summary>
    internal string WirePath => _wirePath ??= Path.ToSerializationFormat();

    /// <summary>Whether it is the short-lived reference of an Ask.</summary>
    internal bool IsTemporary => Path.Parent is { Depth: 1, Name: "temp" };

    private Association Association => _association ??= _provider.Remoting.AssociationFor(Path.Address);

    public override IActorRef GetChild(IReadOnlyList<string> name)
    {
        var path = Path;
        foreach (var element in name)
        {
            path = element switch
            {
                "" => path,
                ".." => path.Parent,
                _ => path / element,
            };
            if (path is null)
            {
                return ActorRefs.Nobody;
            }
        }

        return new RemoteActorRef(_provider, path);
    }

    public override void Start()
    {
    }

    public override void Stop() => SendSystemMessage(new Terminate());

    public override void Suspend()
    {
    }

    public override void Resume(Exception causedByFailure = null)
    {
    }

    public override void Restart(Exception cause)
    {
    }

    /// <summary>The actor has died as far as this watcher is concerned; its node need not be watched for it any
    /// more.</summary>
    internal void WatchEnded(IInternalActorRef watcher) => _provider.Unwatched(this, watcher);

    public override void SendSystemMessage(ISystemMessage message)
    {
        switch (message)
        {
            case Watch watch:
                _provider.Watched(this, watch.Watcher);
                break;
            case Unwatch unwatch:
                _provider.Unwatched(this, unwatch.Watcher);
                break;
            default:
                break;
        }

        Association.Send(new OutboundMessage(message, ActorRefs.NoSender, this));
    }

    protected override void TellInternal(object message, IActorRef sender)
    {
        if (message is null)
        {
            throw new InvalidMessageException("Message is null.");
        }

        Association.Send(new OutboundMessage(message, sender, this));
    }
}
