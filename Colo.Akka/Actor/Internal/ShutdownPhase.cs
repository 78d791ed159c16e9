using Akka.Configuration;

namespace Akka.Actor.Internal;

/// <summary>One phase of the shutdown, as configured.</summary>
internal sealed record ShutdownPhase(string Name, string[] DependsOn, TimeSpan Timeout, bool Recover)
{
    public static Dictionary<string, ShutdownPhase> Read(Config config)
    {
        var defaultTimeout = config.GetTimeSpan("default-phase-timeout", TimeSpan.FromSeconds(5));
        var phases = new Dictionary<string, ShutdownPhase>(StringComparer.Ordinal);
        foreach (var (name, _) in config.GetConfig("phases").AsEnumerable())
        {
            var phase = config.GetConfig("phases." + name);
            phases[name] = new ShutdownPhase(
                name,
                phase?.GetStringList("depends-on").ToArray() ?? [],
                phase?.GetTimeSpan("timeout", defaultTimeout, allowInfinite: false) ?? defaultTimeout,
                phase?.GetBoolean("recover", false) ?? false);
        }

        return phases;
    }

    /// <summary>Every phase after those it depends on.</summary>
    /// <exception cref="ArgumentException">Phases depend on one another in a circle.</exception>
    public static List<string> Order(Dictionary<string, ShutdownPhase> phases)
    {
        var order = new List<string>();
        var done = new HashSet<string>(StringComparer.Ordinal);
        var open = new HashSet<string>(StringComparer.Ordinal);

        void Visit(string name)
        {
            if (done.Contains(name))
            {
                return;
            }

            if (!open.Add(name))
            {
                throw new ArgumentException(
                    $"Cycle detected in graph of phases. It must be a DAG. phase [{name}] depends transitively on itself.");
            }

            foreach (var dependency in phases.TryGetValue(name, out var phase) ? phase.DependsOn : [])
            {
                Visit(dependency);
            }

            open.Remove(name);
            done.Add(name);
            order.Add(name);
        }

        foreach (var name in phases.Keys)
        {
            Visit(name);
        }

        return order;
    }
}
