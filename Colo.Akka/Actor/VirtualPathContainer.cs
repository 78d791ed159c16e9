using System.Collections.Concurrent;

namespace Akka.Actor;

/// <summary>Holds references that are not actors below a path, as <c>/temp</c> does for answers to Ask.</summary>
internal sealed class VirtualPathContainer(IActorRefProvider provider, ActorPath path, IInternalActorRef parent)
    : MinimalActorRef
{
    private readonly ConcurrentDictionary<string, IInternalActorRef> _children = new(StringComparer.Ordinal);

    public override IActorRefProvider Provider => provider;

    public override IInternalActorRef Parent => parent;

    public override ActorPath Path => path;

    public int Count => _children.Count;

    public void AddChild(string name, IInternalActorRef actor) => _children[name] = actor;

    public void RemoveChild(string name) => _children.TryRemove(name, out _);

    public override IActorRef GetChild(IReadOnlyList<string> name)
    {
        if (name.Count == 0)
        {
            return this;
        }

        if (name[0].Length == 0)
        {
            return GetChild(name.Skip(1).ToArray());
        }

        if (!_children.TryGetValue(name[0], out var child))
        {
            return ActorRefs.Nobody;
        }

        return name.Count == 1 ? child : child.GetChild(name.Skip(1).ToArray());
    }

    protected override void TellInternal(object message, IActorRef sender)
    {
        if (message is ActorSelectionMessage { Elements: [SelectChildName name, ..] } selection)
        {
            var target = GetChild([name.Name]);
            if (target.IsNobody())
            {
                provider.DeadLetters.Tell(new Event.DeadLetter(selection.Message, sender, this), sender);
            }
            else
            {
                Internal.SelectionDelivery.Deliver(
                    (IInternalActorRef)target, sender, selection.Copy(elements: selection.Elements[1..]));
            }
        }
    }
}
