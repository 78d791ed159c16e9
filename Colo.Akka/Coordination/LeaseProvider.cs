using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Configuration;
using Akka.Util;

namespace Akka.Coordination;

/// <summary>Makes the <see cref="LeaseProvider"/> of a system.</summary>
public sealed class LeaseProviderExtensionProvider : ExtensionIdProvider<LeaseProvider>
{
    public override LeaseProvider CreateExtension(ExtendedActorSystem system) => new(system);
}

/// <summary>Finds leases by name; the same lease, section and owner is the same object.</summary>
public class LeaseProvider : IExtension
{
    private readonly ExtendedActorSystem _system;
    private readonly ConcurrentDictionary<(string Lease, string Section, string Owner), Lazy<Lease>> _leases = new();

    public LeaseProvider(ExtendedActorSystem system)
    {
        ArgumentNullException.ThrowIfNull(system);
        _system = system;
        system.Settings.InjectTopLevelFallback(DefaultConfig());
    }

    public static LeaseProvider Get(ActorSystem system) => system.WithExtension<LeaseProvider, LeaseProviderExtensionProvider>();

    public static Config DefaultConfig() => ConfigurationFactory.FromResource("Akka.Configuration.Coordination.conf");

    /// <param name="leaseName">What is leased.</param>
    /// <param name="configPath">The section of the implementation, with <c>lease-class</c>.</param>
    /// <param name="ownerName">Who wants it; unique among all that do.</param>
    /// <exception cref="ConfigurationException">The section names no lease.</exception>
    public Lease GetLease(string leaseName, string configPath, string ownerName) =>
        _leases.GetOrAdd((leaseName, configPath, ownerName), key => new Lazy<Lease>(() => Create(key.Lease, key.Section, key.Owner))).Value;

    private Lease Create(string leaseName, string configPath, string ownerName)
    {
        var section = _system.Settings.Config.GetConfig(configPath)
            ?? throw new ConfigurationException($"There is no section '{configPath}'; expected the settings of a lease implementation.");
        var settings = LeaseSettings.Create(
            section.WithFallback(_system.Settings.Config.GetConfig("akka.coordination.lease")), leaseName, ownerName);
        var className = section.GetString("lease-class");
        if (string.IsNullOrEmpty(className))
        {
            throw new ConfigurationException($"lease-class must be specified in '{configPath}'.");
        }

        var type = TypeNames.Require(className, "a lease with a constructor (LeaseSettings, ExtendedActorSystem) or (LeaseSettings)");
        return type.GetConstructor([typeof(LeaseSettings), typeof(ExtendedActorSystem)]) is not null
            ? TypeNames.Create<Lease>(className, "a lease", settings, _system)
            : TypeNames.Create<Lease>(className, "a lease", settings);
    }
}
