using Akka.Configuration;

namespace Akka.Remote;

/// <summary>The section <c>akka.remote</c>.</summary>
public sealed class RemoteSettings
{
    /// <param name="config">The configuration of the system.</param>
    public RemoteSettings(Config config)
    {
        ArgumentNullException.ThrowIfNull(config);
        Config = config;
        var remote = config.GetConfig("akka.remote");
        LogReceive = remote.GetBoolean("log-received-messages");
        LogSend = remote.GetBoolean("log-sent-messages");
        LogRemoteLifecycleEvents = remote.GetBoolean("log-remote-lifecycle-events", true);
        UntrustedMode = remote.GetBoolean("untrusted-mode");
        TrustedSelectionPaths = new HashSet<string>(remote.GetStringList("trusted-selection-paths"));
        Dispatcher = remote.GetString("use-dispatcher");
        ShutdownTimeout = remote.GetTimeSpan("shutdown-timeout");
        FlushWait = remote.GetTimeSpan("flush-wait-on-shutdown");
        HandshakeTimeout = remote.GetTimeSpan("handshake-timeout");
        RetryGateClosedFor = remote.GetTimeSpan("retry-gate-closed-for");
        SysMsgBufferSize = remote.GetInt("system-message-buffer-size");
        InitialSysMsgDeliveryTimeout = remote.GetTimeSpan("initial-system-message-delivery-timeout");
        QuarantineSilentSystemTimeout = remote.GetTimeSpan("quarantine-after-silence");
        OutboundQueueSize = remote.GetInt("outbound-message-queue-size", 20000);
        if (SysMsgBufferSize < 1)
        {
            throw new ConfigurationException($"akka.remote.system-message-buffer-size = {SysMsgBufferSize}; expected more than 0.");
        }

        if (OutboundQueueSize < 1)
        {
            throw new ConfigurationException($"akka.remote.outbound-message-queue-size = {OutboundQueueSize}; expected more than 0.");
        }

        WatchFailureDetectorConfig = remote.GetConfig("watch-failure-detector");
        WatchFailureDetectorImplementationClass = WatchFailureDetectorConfig.GetString("implementation-class");
        WatchHeartBeatInterval = WatchFailureDetectorConfig.GetTimeSpan("heartbeat-interval");
        WatchUnreachableReaperInterval = WatchFailureDetectorConfig.GetTimeSpan("unreachable-nodes-reaper-interval");
        WatchHeartbeatExpectedResponseAfter = WatchFailureDetectorConfig.GetTimeSpan("expected-response-after");
        TransportFailureDetectorConfig = remote.GetConfig("transport-failure-detector");
    }

    public Config Config { get; }

    public bool LogReceive { get; }

    public bool LogSend { get; }

    public bool LogRemoteLifecycleEvents { get; }

    public bool UntrustedMode { get; }

    public ISet<string> TrustedSelectionPaths { get; }

    public string Dispatcher { get; }

    public TimeSpan ShutdownTimeout { get; }

    public TimeSpan FlushWait { get; }

    public TimeSpan RetryGateClosedFor { get; }

    public int SysMsgBufferSize { get; }

    public TimeSpan InitialSysMsgDeliveryTimeout { get; }

    /// <summary>Without a connection for so long, a peer that was connected before is given up.</summary>
    public TimeSpan? QuarantineSilentSystemTimeout { get; }

    public Config WatchFailureDetectorConfig { get; }

    public string WatchFailureDetectorImplementationClass { get; }

    public TimeSpan WatchHeartBeatInterval { get; }

    public TimeSpan WatchUnreachableReaperInterval { get; }

    public TimeSpan WatchHeartbeatExpectedResponseAfter { get; }

    internal TimeSpan HandshakeTimeout { get; }

    /// <summary>User messages that one association holds before further ones are dropped.</summary>
    internal int OutboundQueueSize { get; }

    internal Config TransportFailureDetectorConfig { get; }
}
