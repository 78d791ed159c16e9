using Akka.Actor.Internal;

namespace Akka.Actor;

/// <summary>The actors at a path, looked up anew for every message.</summary>
public class ActorSelection : ICanTell
{
    public ActorSelection()
    {
    }

    public ActorSelection(IActorRef anchor, SelectionPathElement[] path)
    {
        Anchor = anchor;
        Path = path;
    }

    public ActorSelection(IActorRef anchor, string path)
        : this(anchor, path == "" ? [] : path.Split('/'))
    {
    }

    public ActorSelection(IActorRef anchor, IEnumerable<string> elements)
    {
        Anchor = anchor;
        var names = elements.Where(e => !string.IsNullOrEmpty(e)).ToArray();
        Path = new SelectionPathElement[names.Length];
        for (var i = 0; i < names.Length; i++)
        {
            Path[i] = ElementFrom(names, i);
        }
    }

    public IActorRef Anchor { get; private set; }

    public SelectionPathElement[] Path { get; private set; }

    public string PathString => "/" + string.Join('/', Path.Select(p => p.ToString()));

    public void Tell(object message, IActorRef sender = null)
    {
        if (message is null)
        {
            throw new InvalidMessageException($"Message is null. It was sent to {this}");
        }

        SelectionDelivery.Deliver(
            (IInternalActorRef)Anchor, sender ?? ActorCell.GetCurrentSelfOrNoSender(),
            new ActorSelectionMessage(message, Path, wildCardFanOut: false));
    }

    /// <exception cref="ActorNotFoundException">Nobody is there, or nobody answered in time.</exception>
    public Task<IActorRef> ResolveOne(TimeSpan timeout) => ResolveOne(timeout, CancellationToken.None);

    public async Task<IActorRef> ResolveOne(TimeSpan timeout, CancellationToken ct)
    {
        try
        {
            var identity = await this.Ask<ActorIdentity>(new Identify(null), timeout, ct).ConfigureAwait(false);
            return identity.Subject ?? throw new ActorNotFoundException($"No actor found for {this}");
        }
        catch (Exception e) when (e is not ActorNotFoundException)
        {
            throw new ActorNotFoundException("Exception occurred while resolving ActorSelection", e);
        }
    }

    public override bool Equals(object obj) => Equals(obj as ActorSelection);

    public override int GetHashCode() => HashCode.Combine(Anchor, PathString);

    public override string ToString()
    {
        var uid = Anchor.Path.Uid == ActorCell.UndefinedUid ? "" : $"#{Anchor.Path.Uid}";
        return $"ActorSelection[Anchor({Anchor.Path}{uid}), Path({PathString})]";
    }

    protected bool Equals(ActorSelection other) =>
        other is not null && Equals(Anchor, other.Anchor) && Path.SequenceEqual(other.Path);

    private static SelectionPathElement ElementFrom(string[] names, int index) => names[index] switch
    {
        ".." => SelectParent.Instance,
        "**" when index == names.Length - 1 => SelectChildRecursive.Instance,
        "**" => throw new IllegalActorNameException("Double wildcard can only appear at the last path entry"),
        var name when name.Contains('*') || name.Contains('?') => new SelectChildPattern(name),
        var name => new SelectChildName(name),
    };
}

/// <summary>A message on its way through a selection; crosses nodes in this form.</summary>
public class ActorSelectionMessage : IAutoReceivedMessage, IPossiblyHarmful, IWrappedMessage
{
    public ActorSelectionMessage(object message, SelectionPathElement[] elements, bool wildCardFanOut = false)
    {
        Message = message;
        Elements = elements;
        WildCardFanOut = wildCardFanOut;
    }

    public object Message { get; }

    public SelectionPathElement[] Elements { get; }

    /// <summary>True once a wildcard has multiplied it: then a missing actor is not worth a dead letter.</summary>
    public bool WildCardFanOut { get; }

    public ActorSelectionMessage Copy(
        object message = null, SelectionPathElement[] elements = null, bool? wildCardFanOut = null) =>
        new(message ?? Message, elements ?? Elements, wildCardFanOut ?? WildCardFanOut);

    public override string ToString() =>
        $"ActorSelectionMessage - Message: {Message} - WildCartFanOut: {WildCardFanOut} - Elements: "
        + string.Join('/', Elements.Select(e => e.ToString()));
}
