using Akka.Configuration;

namespace Akka.TestKit.Configs;

/// <summary>Ready configurations.</summary>
public static class TestConfigs
{
    public static Config DefaultConfig => TestKitBase.DefaultConfig;

    public static Config TestSchedulerConfig { get; } = ConfigurationFactory.ParseString(
        "akka.scheduler.implementation = \"Akka.TestKit.TestScheduler, Akka.TestKit\"");
}
