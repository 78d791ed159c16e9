using System.Linq.Expressions;
using Akka.Actor.Internal;
using Akka.Routing;
using Akka.Util;

namespace Akka.Actor;

/// <summary>
/// A recipe for an actor: its class, constructor arguments, supervisor strategy and deployment. Immutable; one Props
/// can make any number of actors.
/// </summary>
public class Props : IEquatable<Props>, ISurrogated
{
    // Before None, which is made with it.
    private static readonly Deploy DefaultDeploy = new();

    public static readonly Props None = new(typeof(EmptyActor));

    private readonly IActorFactory _factory;

    public Props(Type type, object[] args)
        : this(DefaultDeploy, type, args)
    {
    }

    public Props(Type type)
        : this(DefaultDeploy, type, [])
    {
    }

    public Props(Type type, SupervisorStrategy supervisorStrategy, IEnumerable<object> args)
        : this(DefaultDeploy, type, args.ToArray()) => SupervisorStrategy = supervisorStrategy;

    public Props(Type type, SupervisorStrategy supervisorStrategy, params object[] args)
        : this(DefaultDeploy, type, args) => SupervisorStrategy = supervisorStrategy;

    public Props(Deploy deploy, Type type, IEnumerable<object> args)
        : this(deploy, type, args.ToArray())
    {
    }

    public Props(Deploy deploy, Type type, params object[] args)
        : this(new ConstructorFactory(type, args), deploy, null)
    {
    }

    protected Props()
        : this(new ConstructorFactory(typeof(EmptyActor), []), DefaultDeploy, null)
    {
    }

    protected Props(Props copy)
        : this(copy._factory, copy.Deploy, copy.SupervisorStrategy)
    {
    }

    private Props(IActorFactory factory, Deploy deploy, SupervisorStrategy supervisorStrategy)
    {
        _factory = factory;
        Deploy = deploy;
        SupervisorStrategy = supervisorStrategy;
    }

    public static Props Empty => None;

    public Type Type => _factory.ActorType;

    public string TypeName => Type.AssemblyQualifiedName;

    public object[] Arguments => _factory.Arguments;

    public Deploy Deploy { get; protected set; }

    public SupervisorStrategy SupervisorStrategy { get; protected set; }

    /// <summary>Null unless set, as the dispatcher then comes from the configuration.</summary>
    public string Dispatcher => string.IsNullOrEmpty(Deploy.Dispatcher) ? null : Deploy.Dispatcher;

    public string Mailbox => Deploy.Mailbox;

    public RouterConfig RouterConfig => Deploy.RouterConfig;

    /// <summary>
    /// Takes a <c>new</c> expression apart, so that its arguments are evaluated once and can be sent elsewhere.
    /// </summary>
    /// <exception cref="ArgumentException">The expression is not a constructor call.</exception>
    public static Props Create<TActor>(
        Expression<Func<TActor>> factory, SupervisorStrategy supervisorStrategy = null)
        where TActor : ActorBase
    {
        ArgumentNullException.ThrowIfNull(factory);
        if (factory.Body is UnaryExpression)
        {
            return new Props(new ProducerFactory(factory.Compile(), typeof(TActor)), DefaultDeploy, supervisorStrategy);
        }

        var call = factory.Body as NewExpression
            ?? throw new ArgumentException(
                "The create function must be a 'new T (args)' expression", nameof(factory));
        var arguments = call.Arguments.Select(ExpressionValues.Evaluate).ToArray();
        return new Props(new ConstructorFactory(call.Type, arguments), DefaultDeploy, supervisorStrategy);
    }

    public static Props Create<TActor>(params object[] args)
        where TActor : ActorBase => new(typeof(TActor), args ?? []);

    public static Props Create<TActor>(SupervisorStrategy supervisorStrategy)
        where TActor : ActorBase, new() => new(typeof(TActor), supervisorStrategy);

    public static Props Create(Type type, params object[] args)
    {
        ArgumentNullException.ThrowIfNull(type);
        return new Props(type, args ?? []);
    }

    public static Props CreateBy(IIndirectActorProducer producer, params object[] args)
    {
        ArgumentNullException.ThrowIfNull(producer);
        return new Props(new IndirectFactory(producer, args ?? []), DefaultDeploy, null);
    }

    public Props WithMailbox(string mailbox) => With(Deploy.WithMailbox(mailbox));

    public Props WithDispatcher(string dispatcher) => With(Deploy.WithDispatcher(dispatcher));

    public Props WithRouter(RouterConfig routerConfig) => With(Deploy.WithRouterConfig(routerConfig));

    public Props WithStashCapacity(int stashCapacity) => With(Deploy.WithStashCapacity(stashCapacity));

    public Props WithDeploy(Deploy deploy) => With(deploy.WithFallback(Deploy));

    public Props WithSupervisorStrategy(SupervisorStrategy supervisorStrategy)
    {
        var copy = Copy();
        copy.SupervisorStrategy = supervisorStrategy;
        return copy;
    }

    /// <summary>Makes a fresh instance; only inside an actor cell.</summary>
    /// <exception cref="TypeLoadException">The constructor threw, or there is none for the arguments.</exception>
    public virtual ActorBase NewActor()
    {
        try
        {
            return _factory.Create();
        }
        catch (Exception e)
        {
            var arguments = string.Join(",", Arguments.Select(a => a?.ToString() ?? "null"));
            throw new TypeLoadException(
                $"Error while creating actor instance of type {Type} with {Arguments.Length} args: ({arguments})", e);
        }
    }

    public ISurrogate ToSurrogate(ActorSystem system) =>
        new PropsSurrogate { Type = Type, Arguments = Arguments, Deploy = Deploy };

    public bool Equals(Props other) =>
        other is not null
        && (ReferenceEquals(this, other)
            || (Type == other.Type && Equals(Deploy, other.Deploy)
                && Equals(SupervisorStrategy, other.SupervisorStrategy)
                && Arguments.SequenceEqual(other.Arguments)));

    public override bool Equals(object obj) => Equals(obj as Props);

    public override int GetHashCode() => HashCode.Combine(Type, Deploy, Arguments.Length);

    public override string ToString() => $"Props({Type})";

    internal void Release(ActorBase actor) => _factory.Release(actor);

    protected virtual Props Copy() => new(this);

    private Props With(Deploy deploy)
    {
        var copy = Copy();
        copy.Deploy = deploy;
        return copy;
    }

    public class PropsSurrogate : ISurrogate
    {
        public Type Type { get; set; }

        public Deploy Deploy { get; set; }

        public object[] Arguments { get; set; }

        public ISurrogated FromSurrogate(ActorSystem system) => new Props(Deploy, Type, Arguments);
    }

    private sealed class EmptyActor : UntypedActor
    {
        protected override void OnReceive(object message)
        {
        }
    }
}

/// <summary>The props of an actor that has stopped: they make nothing.</summary>
public class TerminatedProps : Props
{
    internal static readonly TerminatedProps Instance = new();

    public override ActorBase NewActor() =>
        throw new InvalidOperationException("This actor has been terminated");
}
