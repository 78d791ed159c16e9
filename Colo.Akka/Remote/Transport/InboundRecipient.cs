using Akka.Actor;

namespace Akka.Remote.Transport;

/// <summary>
/// The actor behind a path of this system. Looked up once; again when it has stopped, because the path may have a new
/// incarnation.
/// </summary>
internal sealed class InboundRecipient(string path, IInternalActorRef actor)
{
    private IInternalActorRef _actor = actor;

    internal string Path => path;

    internal IInternalActorRef Current(Remoting remoting)
    {
        if (_actor is not LocalActorRef || _actor.IsTerminated)
        {
            _actor = remoting.ResolveLocal(path);
        }

        return _actor;
    }
}
