using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;

namespace Colo.Akka.Tests.Remote;

/// <summary>Systems on the loopback interface for one test; all of them are stopped at its end.</summary>
internal sealed class RemoteSystems : IAsyncDisposable
{
    /// <summary>Only guards against hanging; nothing is measured with it.</summary>
    internal static readonly TimeSpan HangBound = TimeSpan.FromMinutes(2);

    /// <summary>For tests in which nobody is to be given up: a machine with much to do is silent now and
    /// then.</summary>
    internal const string Patient = "akka.remote.watch-failure-detector.acceptable-heartbeat-pause = 60s";

    private const string Fast = """
        akka {
          actor.provider = remote
          loglevel = ERROR
          stdout-loglevel = OFF
          log-dead-letters = off
          remote {
            retry-gate-closed-for = 200ms
            dot-netty.tcp { hostname = 127.0.0.1, port = 0 }
            watch-failure-detector {
              heartbeat-interval = 50ms
              acceptable-heartbeat-pause = 1s
              min-std-deviation = 50ms
              unreachable-nodes-reaper-interval = 50ms
              expected-response-after = 500ms
            }
          }
        }
        """;

    private readonly ConcurrentBag<ActorSystem> _systems = [];

    internal ActorSystem Create(string name, string extra = "")
    {
        var system = ActorSystem.Create(name, ConfigurationFactory.ParseString(extra).WithFallback(ConfigurationFactory.ParseString(Fast)));
        _systems.Add(system);
        return system;
    }

    internal static Address AddressOf(ActorSystem system) => ((ExtendedActorSystem)system).Provider.DefaultAddress;

    /// <summary>A system on a network of the test's own.</summary>
    internal ActorSystem Create(string name, Setup transport, string extra = "")
    {
        var config = ConfigurationFactory.ParseString(extra).WithFallback(ConfigurationFactory.ParseString(Fast));
        var system = ActorSystem.Create(name, ActorSystemSetup.Create(BootstrapSetup.Create().WithConfig(config), transport));
        _systems.Add(system);
        return system;
    }

    /// <summary>The actor of another system, by its path.</summary>
    internal static Task<IActorRef> Resolve(ActorSystem from, ActorSystem to, string path) =>
        from.ActorSelection($"{AddressOf(to)}{path}").ResolveOne(HangBound);

    public async ValueTask DisposeAsync()
    {
        foreach (var system in _systems)
        {
            await system.Terminate().WaitAsync(HangBound);
        }
    }
}

/// <summary>Hands every message to the test.</summary>
internal sealed class Collector : UntypedActor
{
    private readonly System.Threading.Channels.Channel<object> _messages;

    public Collector(System.Threading.Channels.Channel<object> messages) => _messages = messages;

    internal sealed record WatchIt(IActorRef Actor);

    protected override void OnReceive(object message)
    {
        if (message is WatchIt watch)
        {
            Context.Watch(watch.Actor);
            Sender.Tell("watching");
            return;
        }

        _messages.Writer.TryWrite(message);
    }
}

internal sealed class Echo : UntypedActor
{
    protected override void OnReceive(object message) => Sender.Tell(message);
}

/// <summary>A <see cref="Collector"/> with what it has collected.</summary>
internal sealed class Inboxed
{
    private readonly System.Threading.Channels.Channel<object> _messages = System.Threading.Channels.Channel.CreateUnbounded<object>();

    internal Inboxed(ActorSystem system, string? name = null) =>
        Ref = system.ActorOf(Props.Create(() => new Collector(_messages)), name);

    internal IActorRef Ref { get; }

    internal async Task<object> Next()
    {
        using var bound = new CancellationTokenSource(RemoteSystems.HangBound);
        return await _messages.Reader.ReadAsync(bound.Token);
    }

    internal async Task<T> Next<T>()
    {
        while (true)
        {
            if (await Next() is T wanted)
            {
                return wanted;
            }
        }
    }

    internal async Task<T> Next<T>(Func<T, bool> condition)
    {
        while (true)
        {
            if (await Next() is T wanted && condition(wanted))
            {
                return wanted;
            }
        }
    }
}
