using Akka.Configuration;

namespace Akka.Coordination;

/// <summary>Who wants which lease, and how patient it is.</summary>
public sealed class LeaseSettings
{
    public LeaseSettings(string leaseName, string ownerName, TimeoutSettings timeoutSettings, Config leaseConfig)
    {
        LeaseName = leaseName;
        OwnerName = ownerName;
        TimeoutSettings = timeoutSettings;
        LeaseConfig = leaseConfig;
    }

    public string LeaseName { get; }

    public string OwnerName { get; }

    public TimeoutSettings TimeoutSettings { get; }

    /// <summary>The section of the implementation.</summary>
    public Config LeaseConfig { get; }

    public static LeaseSettings Create(Config config, string leaseName, string ownerName) =>
        new(leaseName, ownerName, TimeoutSettings.Create(config), config);

    public LeaseSettings WithTimeoutSettings(TimeoutSettings timeoutSettings) =>
        new(LeaseName, OwnerName, timeoutSettings, LeaseConfig);

    public override string ToString() => $"LeaseSettings({LeaseName}, {OwnerName}, {TimeoutSettings})";
}

/// <summary>The durations of a lease.</summary>
public sealed class TimeoutSettings
{
    public TimeoutSettings(TimeSpan heartbeatInterval, TimeSpan heartbeatTimeout, TimeSpan operationTimeout)
    {
        HeartbeatInterval = heartbeatInterval;
        HeartbeatTimeout = heartbeatTimeout;
        OperationTimeout = operationTimeout;
    }

    /// <summary>How often the holder renews the lease.</summary>
    public TimeSpan HeartbeatInterval { get; }

    /// <summary>After so long without renewal another may take the lease.</summary>
    public TimeSpan HeartbeatTimeout { get; }

    /// <summary>How long one operation may take.</summary>
    public TimeSpan OperationTimeout { get; }

    /// <exception cref="ArgumentException">The interval is not well below the timeout.</exception>
    public static TimeoutSettings Create(Config config)
    {
        ArgumentNullException.ThrowIfNull(config);
        var timeout = config.GetTimeSpan("heartbeat-timeout");
        var interval = config.GetString("heartbeat-interval") is null or ""
            ? TimeSpan.FromTicks(Math.Max(timeout.Ticks / 10, TimeSpan.FromSeconds(5).Ticks))
            : config.GetTimeSpan("heartbeat-interval");
        if (interval.Ticks >= timeout.Ticks / 2)
        {
            throw new ArgumentException("heartbeat-interval must be less than half heartbeat-timeout");
        }

        return new TimeoutSettings(interval, timeout, config.GetTimeSpan("lease-operation-timeout"));
    }

    public TimeoutSettings WithHeartbeatInterval(TimeSpan heartbeatInterval) =>
        new(heartbeatInterval, HeartbeatTimeout, OperationTimeout);

    public TimeoutSettings WithHeartbeatTimeout(TimeSpan heartbeatTimeout) =>
        new(HeartbeatInterval, heartbeatTimeout, OperationTimeout);

    public TimeoutSettings WithOperationTimeout(TimeSpan operationTimeout) =>
        new(HeartbeatInterval, HeartbeatTimeout, operationTimeout);

    public override string ToString() => $"TimeoutSettings({HeartbeatInterval}, {HeartbeatTimeout}, {OperationTimeout})";
}

/// <summary>Which implementation a user of leases takes, and how long it waits before it tries again.</summary>
public sealed class LeaseUsageSettings
{
    public LeaseUsageSettings(string leaseImplementation, TimeSpan leaseRetryInterval)
    {
        LeaseImplementation = leaseImplementation;
        LeaseRetryInterval = leaseRetryInterval;
    }

    public string LeaseImplementation { get; }

    public TimeSpan LeaseRetryInterval { get; }
}
