using Colo.Actors.Protocol;

namespace Colo.Actors.Failover;

/// <summary>What the failover controller of one VM on one host is told by the configuration.</summary>
public sealed record FailoverOptions
{
    /// <summary>Hosts that may hold this VM, this one included. A joiner from elsewhere is not taken.</summary>
    public required IReadOnlyList<HostId> Candidates { get; init; }

    /// <summary>
    /// The VM is created on this host when the arbiter has no record. Exactly one candidate should say so.
    /// </summary>
    public bool CreateHere { get; init; }

    /// <summary>Size of the replicated disks; 0 when there are none.</summary>
    public long DiskSizeBytes { get; init; }

    /// <summary>The disks keep bitmaps that say with whom they were in step last, over restarts.</summary>
    public bool DiskKeepsBitmap { get; init; }

    /// <summary>
    /// The last term in which this host's disk was part of the VM's history, as the host remembers it over restarts;
    /// zero: unknown.
    /// </summary>
    public Term LastInStep { get; init; } = Term.Zero;

    /// <summary>
    /// First wait after "unknown" from the arbiter; doubles up to <see cref="ArbiterRetryMax"/>. Default 50 ms.
    /// </summary>
    public TimeSpan ArbiterRetry { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Default 1 s.</summary>
    public TimeSpan ArbiterRetryMax { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>A parked host offers itself this often. Default 1 s.</summary>
    public TimeSpan OfferInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Longest time that an owner leaves a joiner alone after failed attempts in a row; it begins with
    /// <see cref="OfferInterval"/> and doubles. Default 30 s.
    /// </summary>
    public TimeSpan JoinRetryMax { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A joiner that was invited must be ready within this time. Default 5 s.</summary>
    public TimeSpan InviteTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// A planned switchover, or the agreed end of a guest, is given up after this time. Default 15 s.
    /// </summary>
    public TimeSpan PeerStepTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>
    /// A host that cannot reach the gateway while its peer may, or a secondary that lost only a replication link, lets
    /// the other ask first. Default 250 ms.
    /// </summary>
    public TimeSpan IsolationHandicap { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>All violated relations, empty when the options make sense.</summary>
    public IReadOnlyList<string> Validate(HostId self)
    {
        List<string> errors = [];
        Check(Candidates.Contains(self), $"Candidates must name this host {self}");
        Check(Candidates.Distinct().Count() == Candidates.Count, "Candidates must not repeat a host");
        Check(DiskSizeBytes >= 0, $"DiskSizeBytes {DiskSizeBytes} must not be negative");
        Check(ArbiterRetry > TimeSpan.Zero, $"ArbiterRetry {ArbiterRetry} must be positive");
        Check(ArbiterRetryMax >= ArbiterRetry,
            $"ArbiterRetryMax {ArbiterRetryMax} must not be below ArbiterRetry {ArbiterRetry}");
        Check(OfferInterval > TimeSpan.Zero, $"OfferInterval {OfferInterval} must be positive");
        Check(JoinRetryMax >= OfferInterval,
            $"JoinRetryMax {JoinRetryMax} must not be below OfferInterval {OfferInterval}");
        Check(InviteTimeout > TimeSpan.Zero, $"InviteTimeout {InviteTimeout} must be positive");
        Check(PeerStepTimeout > InviteTimeout,
            $"PeerStepTimeout {PeerStepTimeout} must exceed InviteTimeout {InviteTimeout}");
        Check(IsolationHandicap >= TimeSpan.Zero, $"IsolationHandicap {IsolationHandicap} must not be negative");
        return errors;

        void Check(bool holds, string text)
        {
            if (!holds)
            {
                errors.Add(text);
            }
        }
    }
}
