namespace Akka.Actor.Internal;

/// <summary>Walks a selection from its anchor and delivers at the end of the walk.</summary>
internal static class SelectionDelivery
{
    public static void Deliver(IInternalActorRef anchor, IActorRef sender, ActorSelectionMessage selection)
    {
        if (selection.Elements.Length == 0)
        {
            anchor.Tell(selection.Message, sender);
            return;
        }

        Walk(anchor, sender, selection, 0);
    }

    private static void Walk(IInternalActorRef anchor, IActorRef sender, ActorSelectionMessage selection, int step)
    {
        var reference = anchor;
        for (var i = step; ; i++)
        {
            if (reference is not ActorRefWithCell withCell)
            {
                // Not an actor of this node: the rest of the way is its own business.
                reference.Tell(selection.Copy(elements: selection.Elements[i..]), sender);
                return;
            }

            var last = i == selection.Elements.Length - 1;
            switch (selection.Elements[i])
            {
                case SelectParent:
                    reference = withCell.Parent is null or Nobody ? withCell : withCell.Parent;
                    break;
                case SelectChildName name:
                    var child = withCell.GetSingleChild(name.Name);
                    if (child.IsNobody())
                    {
                        Missing(anchor, sender, selection, withCell.Path, selection.Elements[i..]);
                        return;
                    }

                    reference = child;
                    break;
                case SelectChildPattern pattern:
                    FanOut(withCell, sender, selection, i, last, pattern.Matches);
                    return;
                case SelectChildRecursive:
                    Everything(withCell, sender, selection);
                    return;
                default:
                    throw new NotSupportedException($"Unknown selection element {selection.Elements[i]}");
            }

            if (last)
            {
                reference.Tell(selection.Message, sender);
                return;
            }
        }
    }

    private static void FanOut(
        ActorRefWithCell parent, IActorRef sender, ActorSelectionMessage selection, int step, bool last,
        Func<string, bool> matches)
    {
        var children = parent.Children.Where(c => matches(c.Path.Name)).ToArray();
        if (last)
        {
            foreach (var child in children)
            {
                child.Tell(selection.Message, sender);
            }

            return;
        }

        if (children.Length == 0 && !selection.WildCardFanOut)
        {
            Missing(parent, sender, selection, parent.Path, selection.Elements[step..]);
            return;
        }

        var below = selection.Copy(
            elements: selection.Elements[(step + 1)..], wildCardFanOut: selection.WildCardFanOut || children.Length > 1);
        foreach (var child in children)
        {
            Deliver((IInternalActorRef)child, sender, below);
        }
    }

    private static void Everything(ActorRefWithCell parent, IActorRef sender, ActorSelectionMessage selection)
    {
        foreach (var child in parent.Children)
        {
            child.Tell(selection.Message, sender);
            if (child is ActorRefWithCell withCell)
            {
                Everything(withCell, sender, selection);
            }
        }
    }

    private static void Missing(
        IInternalActorRef anchor, IActorRef sender, ActorSelectionMessage selection, ActorPath at,
        SelectionPathElement[] rest)
    {
        var path = at / rest.Select(e => e.ToString());
        var nowhere = new EmptyLocalActorRef(anchor.Provider, path, anchor.Provider.EventStreamOf());
        nowhere.Tell(selection.WildCardFanOut ? selection.Copy(elements: rest) : selection.Message, sender);
    }
}
