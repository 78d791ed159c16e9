using System.Reflection;

namespace Akka.Actor.Internal;

/// <summary>How a Props makes an instance.</summary>
internal interface IActorFactory
{
    Type ActorType { get; }

    object[] Arguments { get; }

    ActorBase Create();

    void Release(ActorBase actor);
}

/// <summary>By constructor. The binding is done once per Props, so that many actors of one Props start fast.</summary>
internal sealed class ConstructorFactory(Type type, object[] arguments) : IActorFactory
{
    private ConstructorInvoker _invoker;
    private object[] _bound;

    public Type ActorType => type;

    public object[] Arguments => arguments;

    public ActorBase Create()
    {
        if (_invoker is null)
        {
            Bind();
        }

        return (ActorBase)_invoker.Invoke(_bound.AsSpan());
    }

    public void Release(ActorBase actor)
    {
    }

    private void Bind()
    {
        const BindingFlags flags = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;
        var constructors = type.GetConstructors(flags);
        if (arguments.Length == 0 && Array.Find(constructors, c => c.GetParameters().Length == 0) is { } plain)
        {
            (_bound, _invoker) = ([], ConstructorInvoker.Create(plain));
            return;
        }

        var fitting = constructors.Where(c => Fits(c.GetParameters())).ToArray();
        if (fitting.Length == 0)
        {
            var given = string.Join(", ", arguments.Select(a => a?.GetType().ToString() ?? "null"));
            throw new MissingMethodException(
                $"Unable to create {type} with the arguments ({given}): no constructor takes them");
        }

        var chosen = fitting.Length == 1 ? fitting[0] : Closest(fitting);
        _bound = Complete(chosen.GetParameters());
        _invoker = ConstructorInvoker.Create(chosen);
    }

    /// <summary>
    /// The fewest parameters win; among these the first whose types are exactly those of the arguments.
    /// </summary>
    private ConstructorInfo Closest(ConstructorInfo[] fitting) => fitting
        .OrderBy(c => c.GetParameters().Length)
        .ThenByDescending(c => c.GetParameters().Take(arguments.Length)
            .Where((p, i) => p.ParameterType == arguments[i]?.GetType()).Count())
        .First();

    private bool Fits(ParameterInfo[] parameters)
    {
        if (parameters.Length < arguments.Length
            || !parameters.Skip(arguments.Length).All(p => p.HasDefaultValue))
        {
            return false;
        }

        for (var i = 0; i < arguments.Length; i++)
        {
            var wanted = parameters[i].ParameterType;
            var fits = arguments[i] is null
                ? !wanted.IsValueType || Nullable.GetUnderlyingType(wanted) is not null
                : wanted.IsInstanceOfType(arguments[i]);
            if (!fits)
            {
                return false;
            }
        }

        return true;
    }

    private object[] Complete(ParameterInfo[] parameters) =>
        parameters.Select((p, i) => i < arguments.Length ? arguments[i] : p.DefaultValue).ToArray();
}

/// <summary>By a delegate, for expressions that are not a plain constructor call.</summary>
internal sealed class ProducerFactory(Func<ActorBase> producer, Type type) : IActorFactory
{
    public Type ActorType => type;

    public object[] Arguments => [];

    public ActorBase Create() => producer();

    public void Release(ActorBase actor)
    {
    }
}

/// <summary>By a producer of the user's.</summary>
internal sealed class IndirectFactory(IIndirectActorProducer producer, object[] arguments) : IActorFactory
{
    public Type ActorType => producer.ActorType;

    public object[] Arguments => arguments;

    public ActorBase Create() => producer.Produce();

    public void Release(ActorBase actor) => producer.Release(actor);
}
