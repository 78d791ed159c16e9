using System.Globalization;
using Akka.Configuration;
using Akka.Dispatch;

namespace Akka.Simulation;

/// <summary>
/// Any number of actor systems, their network and their clocks in one thread and in virtual time. Every choice (which
/// mailbox is next, how long bytes travel, what is lost, how clocks drift) is drawn from one seed, so the same seed
/// gives the same run, step by step. The code in it is that of production: it takes time from its scheduler, from
/// <c>IWithTimers</c> or from an injected <see cref="TimeProvider"/>, and never leaves its thread. Code that does (the
/// thread pool, a blocking wait, a clock of the machine) cannot be repeated; where it comes back into the world from
/// another thread, the run fails and says so.
/// </summary>
public sealed class SimulationWorld
{
    private readonly List<(NodeRuntime Node, IRunnable Work)> _ready = [];
    private readonly PriorityQueue<(NodeRuntime Node, Action Action), (long Due, ulong Order, long Number)> _later = new();
    private readonly SimulationRandom _order;
    private readonly List<SimulatedNode> _nodes = [];
    private long _number;
    private int _thread = Environment.CurrentManagedThreadId;
    private volatile string _escape;

    public SimulationWorld(ulong seed, SimulationOptions options = null)
    {
        Seed = seed;
        Options = options ?? new SimulationOptions();
        Random = new SimulationRandom(seed);
        _order = Random.Stream("order");
        Trace = new SimulationTrace(Options.Story);
        Network = new SimulatedNetwork(this, Random.Stream("network"), Options.Network);
    }

    public ulong Seed { get; }

    public SimulationOptions Options { get; }

    /// <summary>For the choices of the scenario itself; take a stream of it for each purpose.</summary>
    public SimulationRandom Random { get; }

    public SimulationTrace Trace { get; }

    public SimulatedNetwork Network { get; }

    public IReadOnlyList<SimulatedNode> Nodes => _nodes;

    /// <summary>Time since the beginning, by no node's clock.</summary>
    public TimeSpan Now { get; private set; }

    /// <summary>Runs a scenario with a seed. Never throws: a failure is part of the result.</summary>
    public static SimulationResult Run(ulong seed, Action<SimulationWorld> scenario, SimulationOptions options = null)
    {
        var world = new SimulationWorld(seed, options);
        Exception failure = null;
        try
        {
            world.Enter(() => scenario(world));
        }
        catch (Exception error)
        {
            failure = error;
        }

        if (world._escape is { } escape)
        {
            failure = new SimulationException(escape, failure);
        }

        var replay = string.Format(CultureInfo.InvariantCulture, world.Options.ReplayCommand, seed);
        return new SimulationResult(seed, world.Trace.Hash, world.Trace.Steps, world.Now, failure, replay);
    }

    /// <summary>Adds a host; <see cref="SimulatedNode.Start"/> starts its system.</summary>
    public SimulatedNode AddNode(string name, Config config = null, string systemName = "simulated", int port = 2552)
    {
        var node = new SimulatedNode(this, name, systemName, config, port);
        _nodes.Add(node);
        return node;
    }

    /// <summary>Lets this much time pass.</summary>
    /// <exception cref="SimulationException">Code of the run came back from another thread.</exception>
    public void RunFor(TimeSpan time)
    {
        var end = Now + time;
        Enter(() =>
        {
            while (Step(end))
            {
            }
        });
    }

    /// <summary>Runs until the condition holds, which is looked at after each step.</summary>
    /// <returns>False when it does not hold within the time.</returns>
    public bool RunUntil(Func<bool> condition, TimeSpan limit)
    {
        ArgumentNullException.ThrowIfNull(condition);
        var end = Now + limit;
        var holds = false;
        Enter(() =>
        {
            while (!(holds = condition()) && Step(end))
            {
            }
        });
        return holds;
    }

    /// <summary>As <see cref="RunUntil"/>, and fails the run when the condition does not come true.</summary>
    /// <exception cref="SimulationException">The condition does not hold within the time.</exception>
    public void Await(string what, Func<bool> condition, TimeSpan limit) => Await(() => what, condition, limit);

    /// <summary>The same with a text that is made at the end, from what is there then.</summary>
    /// <exception cref="SimulationException">The condition does not hold within the time.</exception>
    public void Await(Func<string> what, Func<bool> condition, TimeSpan limit)
    {
        ArgumentNullException.ThrowIfNull(what);
        if (!RunUntil(condition, limit))
        {
            throw new SimulationException($"waited {limit.TotalSeconds} s for {what()}, now {Now.TotalSeconds} s");
        }
    }

    /// <summary>Something that the scenario does later, as a step among the others.</summary>
    public void At(TimeSpan delay, Action action) => After(delay, null, action);

    /// <summary>A line for the trace and the story.</summary>
    public void Note(string what) => Note(null, what);

    internal void Note(NodeRuntime node, string what) => Trace.Add(Now, node?.Name ?? "", what);

    internal void Tell(NodeRuntime node, string what)
    {
        if (Trace.TellsStory)
        {
            Trace.Tell(Now, node.Name, "      " + what);
        }
    }

    internal void Execute(NodeRuntime node, IRunnable work)
    {
        if (!IsOurs(work.GetType().Name) || !node.IsAlive)
        {
            return;
        }

        if (_order.Chance(Options.StallProbability))
        {
            After(_order.Between(TimeSpan.Zero, Options.StallMax), node, () => Ready(node, work));
        }
        else
        {
            Ready(node, work);
        }
    }

    internal void After(TimeSpan delay, NodeRuntime node, Action action)
    {
        if (IsOurs("a timer") && node is not { IsAlive: false })
        {
            _later.Enqueue((node, action), (Now.Ticks + Math.Max(0, delay.Ticks), _order.Next(), _number++));
        }
    }

    /// <summary>
    /// Runs code of the world. Without a synchronization context, an await goes on where its task completes, which is
    /// on this thread; the context of a test runner would take it elsewhere.
    /// </summary>
    internal void Enter(Action action)
    {
        var context = SynchronizationContext.Current;
        var (cell, hooks) = (Actor.ActorCell.Current, Actor.Internal.RuntimeHooks.Ambient);
        _thread = Environment.CurrentManagedThreadId;
        SynchronizationContext.SetSynchronizationContext(null);
        Actor.ActorCell.Current = null;
        try
        {
            action();
        }
        finally
        {
            Actor.ActorCell.Current = cell;
            Actor.Internal.RuntimeHooks.Ambient = hooks;
            SynchronizationContext.SetSynchronizationContext(context);
        }

        if (_escape is { } escape)
        {
            throw new SimulationException(escape);
        }
    }

    private void Ready(NodeRuntime node, IRunnable work) => _ready.Add((node, work));

    /// <summary>True on the world's thread; else the run has failed.</summary>
    internal bool IsOurs(string what)
    {
        if (Environment.CurrentManagedThreadId == _thread)
        {
            return true;
        }

        _escape ??= $"Code of the run came back from another thread with {what}: it used the thread pool, as "
            + $"Task.Run, Task.Delay without the injected TimeProvider or an asynchronous completion do. At\n{Environment.StackTrace}";
        return false;
    }

    /// <summary>One step. False when nothing is left to do before the end, and then the time is the end.</summary>
    private bool Step(TimeSpan end)
    {
        if (_escape is not null)
        {
            return false;
        }

        if (Now >= end)
        {
            Now = end;
            return false;
        }

        while (_later.TryPeek(out _, out var due) && due.Due <= Now.Ticks)
        {
            Due();
        }

        if (_ready.Count > 0)
        {
            RunOne();
            return true;
        }

        if (!_later.TryPeek(out _, out var next) || next.Due > end.Ticks)
        {
            Now = end;
            return false;
        }

        Now = TimeSpan.FromTicks(Math.Max(next.Due, Now.Ticks));
        Due();
        return true;
    }

    /// <summary>What is due takes its place among what is ready: a thread may still run something else
    /// before.</summary>
    private void Due()
    {
        var (node, action) = _later.Dequeue();
        if (node is not { IsAlive: false })
        {
            _ready.Add((node, new ActionRunnable(action)));
        }
    }

    private void RunOne()
    {
        var picked = _order.Below(_ready.Count);
        var (node, work) = _ready[picked];
        _ready[picked] = _ready[^1];
        _ready.RemoveAt(_ready.Count - 1);
        if (node is { IsAlive: false })
        {
            return;
        }

        if (node is not null && node.PausedUntil > Now)
        {
            _later.Enqueue((node, () => Ready(node, work)), (node.PausedUntil.Ticks, _order.Next(), _number++));
            return;
        }

        Now += _order.Between(TimeSpan.FromTicks(1), Options.StepCost);
        Actor.Internal.RuntimeHooks.Ambient = node;
        work.Run();
    }
}
