using Akka.Actor;

namespace Akka.Event;

/// <summary>Name and class under which something writes its log.</summary>
public readonly struct LogSource
{
    private LogSource(string source, Type type)
    {
        Source = source;
        Type = type;
    }

    public string Source { get; }

    public Type Type { get; }

    public static LogSource Create(object o) => o switch
    {
        IActorContext context => new LogSource(context.Self.Path.ToString(), SourceType(o)),
        IActorRef reference => new LogSource(reference.Path.ToString(), SourceType(o)),
        string text => new LogSource(text, SourceType(o)),
        Type type => new LogSource(Logging.SimpleName(type), type),
        ActorSystem system => new LogSource(system.ToString(), SourceType(o)),
        _ => new LogSource(Logging.SimpleName(o), SourceType(o)),
    };

    public static LogSource Create(object o, ActorSystem system) => o switch
    {
        IActorContext context => new LogSource(FromActor(context, system), SourceType(o)),
        IActorRef reference => new LogSource(FromActorRef(reference, system), SourceType(o)),
        string text => new LogSource(FromString(text, system), SourceType(o)),
        Type type => new LogSource(FromType(type, system), type),
        _ => new LogSource(FromType(o.GetType(), system), SourceType(o)),
    };

    public static Type SourceType(object o) => o switch
    {
        Type type => type,
        ActorCell cell => cell.Props.Type,
        IActorContext context => context.Props.Type,
        string => typeof(DummyClassForStringSources),
        _ => o.GetType(),
    };

    public static string FromActor(IActorContext actor, ActorSystem system) => FromActorRef(actor.Self, system);

    /// <summary>With the address of the system, so that logs of several nodes can be told apart.</summary>
    public static string FromActorRef(IActorRef a, ActorSystem system) =>
        system is ExtendedActorSystem { Provider: { } provider }
            ? a.Path.ToStringWithAddress(provider.DefaultAddress)
            : a.Path.ToString();

    public static string FromString(string source, ActorSystem system) => source + "(" + system + ")";

    public static string FromType(Type t, ActorSystem system) => Logging.SimpleName(t) + "(" + system + ")";
}

public class DummyClassForStringSources;
