using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Remote.Transport;

namespace Akka.Simulation;

/// <summary>
/// A host of a simulated world and the actor system that runs on it. Its host name in addresses is its own name, so a
/// system that starts again has the address of the one before and another uid.
/// </summary>
public sealed class SimulatedNode
{
    private static readonly Config Defaults = ConfigurationFactory.ParseString(
        """
        akka {
          stdout-loglevel = OFF
          loggers = ["Akka.Simulation.StoryLogger, Colo.Akka"]
          coordinated-shutdown.run-by-clr-shutdown-hook = off
        }
        """);

    private readonly SimulationWorld _world;
    private readonly string _systemName;
    private readonly Config _config;
    private readonly int _port;
    private NodeRuntime _runtime;
    private int _lives;

    internal SimulatedNode(SimulationWorld world, string name, string systemName, Config config, int port)
    {
        _world = world;
        Name = name;
        _systemName = systemName;
        _config = (config ?? Config.Empty).WithFallback(Defaults);
        _port = port;
    }

    public string Name { get; }

    /// <summary>The system of this life, or of the last one.</summary>
    public ActorSystem System { get; private set; }

    /// <summary>The clock of this life: what production code gets as its TimeProvider.</summary>
    public TimeProvider Clock => _runtime.Clock;

    public bool IsRunning => _runtime is { IsAlive: true };

    /// <summary>As peers write it, for systems with remoting.</summary>
    public Address Address => new("akka.tcp", _systemName, Name, _port);

    /// <summary>Starts a system, the first or another one. Drift and offset of the clock are drawn anew.</summary>
    /// <param name="prepare">Runs with the system before anything else does; starts its actors.</param>
    public ActorSystem Start(Action<SimulatedNode> prepare = null)
    {
        if (IsRunning)
        {
            throw new InvalidOperationException($"Node '{Name}' is running; crash or stop it first");
        }

        _lives++;
        _runtime = new NodeRuntime(_world, Name, _world.Random.Stream($"node {Name} life {_lives}"), _world.Options);
        _world.Network.SetPower(Name, isOn: true);
        _world.Note(_runtime, $"starts, life {_lives}");
        _world.Enter(() => System = ActorSystem.Create(
            _systemName,
            ActorSystemSetup.Create(
                new Actor.Internal.RuntimeHooksSetup(_runtime),
                new RemoteTransportSetup(_ => _world.Network.Medium.CreateTransport(Name, _port)),
                BootstrapSetup.Create().WithConfig(_config))));
        prepare?.Invoke(this);
        return System;
    }

    /// <summary>The host loses power: no goodbye, and nobody answers there until it starts again.</summary>
    public void Crash() => End("loses power", hasPower: false);

    /// <summary>The process dies: its connections are reset, and new ones refused.</summary>
    public void Kill() => End("is killed", hasPower: true);

    /// <summary>Nothing runs on the node for a time, as when its host swaps or is suspended. The wires go on.</summary>
    public void Pause(TimeSpan time)
    {
        _runtime.PausedUntil = _world.Now + time;
        _world.Note(_runtime, $"stands still for {time}");
    }

    private void End(string how, bool hasPower)
    {
        if (!IsRunning)
        {
            return;
        }

        _world.Note(_runtime, how);
        _runtime.End();
        _world.Network.SetPower(Name, hasPower);
        _world.Enter(() => _world.Network.Medium.Remove(Address, silently: !hasPower));
    }
}
