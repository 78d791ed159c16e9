namespace Akka.Actor.Internal;

/// <summary>Makes and starts children of a cell.</summary>
internal static class ChildMaker
{
    public static IInternalActorRef Make(ActorCell parent, Props props, string name, bool systemService)
    {
        ArgumentNullException.ThrowIfNull(props);
        if (parent.IsTerminated)
        {
            throw new InvalidOperationException($"Cannot create a child of {parent.Self}: it has terminated");
        }

        var system = parent.SystemImpl;
        if (system.Settings.SerializeAllCreators && !systemService && props.Deploy.Scope is not LocalScope)
        {
            CheckCreator(system, props);
        }

        ActorNames.Check(name);
        var children = parent.ChildTable;
        name = children.Reserve(name);
        IInternalActorRef child;
        try
        {
            var path = new ChildActorPath(parent.Self.Path, name, system.NextUid());
            child = system.Provider.ActorOf(
                system, props, parent.SelfRef, path, systemService, deploy: null, lookupDeploy: true, async: false);
        }
        catch
        {
            children.Unreserve(name);
            throw;
        }

        if (parent.Lifecycle.IsFailed)
        {
            child.Suspend();
        }

        parent.InitChild(child);
        child.Start();
        return child;
    }

    /// <summary><c>serialize-creators</c>: what an actor is made from must survive its serializer, as if it were made
    /// elsewhere.</summary>
    private static void CheckCreator(ActorSystemImpl system, Props props)
    {
        foreach (var argument in props.Arguments)
        {
            if (argument is null or INoSerializationVerificationNeeded)
            {
                continue;
            }

            var serializer = system.Serialization.FindSerializerFor(argument);
            var bytes = serializer.ToBinary(argument);
            var manifest = Serialization.Serialization.ManifestFor(serializer, argument);
            if (system.Serialization.Deserialize(bytes, serializer.Identifier, manifest) is null)
            {
                throw new ArgumentException(
                    $"Pre-creation serialization check failed: {argument.GetType()} in the Props of {props.Type} came back as null",
                    nameof(props));
            }
        }
    }
}
