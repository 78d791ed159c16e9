using Colo.Vmm.Net;
using Colo.Vmm.Qmp.Chardevs;
using Colo.Vmm.Qmp.Parts;
using Colo.Vmm.Qmp.Replication;

namespace Colo.Vmm.Qmp.Filters;

/// <summary>
/// QEMU's colo-compare over <see cref="PacketComparer"/>, on three character devices.
/// <code>
///   solo: the primary's frames pass -> COLO begins -> pair: matched or held until a commit -> failover -> solo
/// </code>
/// Unlike QEMU's it holds nothing back before COLO has begun, so a guest may be set up and run alone with everything
/// in place. In a pair that has broken it goes on holding until somebody has decided: x-colo-lost-heartbeat, or its
/// deletion, which lets what waits go (the procedure's way to say that the secondary is given up).
/// </summary>
internal sealed class CompareObject : IMachineObject, IReplicationPart, IReleaseSink
{
    private static readonly TimeSpan InputMax = TimeSpan.FromSeconds(1);
    private readonly CompareSettings _settings;
    private readonly ReplicationHooks _hooks;
    private readonly TimeProvider _time;
    private readonly long _started;
    private readonly Lock _gate = new();
    private readonly FramePool _pool;
    private readonly PacketComparer _comparer;
    private readonly ChardevFrontend[] _users;
    private readonly ITimer _timer;
    private bool _isStanding;

    /// <exception cref="QmpFailureException">A character device is in use.</exception>
    public CompareObject(CompareSettings settings, ReplicationHooks hooks, TimeProvider time)
    {
        _settings = settings;
        _hooks = hooks;
        _time = time;
        _started = time.GetTimestamp();
        _pool = new FramePool(settings.Options.HeldBytesMax * 2);
        _comparer = new PacketComparer(settings.Options, _pool, this);
        if (hooks.Role != ReplicationRole.Primary)
        {
            _comparer.GoSolo();
        }

        var user = new ChardevFrontend(settings.Id, settings.HasVnetHeader);
        _users =
        [
            user with { Drained = Drained },
            user with { Receive = (frame, vnet) => Accept(frame, vnet, isPrimary: false), BatchEnd = FlushOutput },
            user with { Receive = (frame, vnet) => Accept(frame, vnet, isPrimary: true), BatchEnd = FlushOutput },
        ];
        // Before the devices, which nobody would give back if the time were none for a timer.
        _timer = time.CreateTimer(_ => Tick(), null, settings.ScanCycle, settings.ScanCycle);
        try
        {
            AttachAll();
        }
        catch
        {
            _timer.Dispose();
            throw;
        }

        if (hooks.Role == ReplicationRole.Primary)
        {
            hooks.WantCheckpoint();
        }
    }

    public string Id => _settings.Id;

    public string Type => "colo-compare";

    public IReadOnlyDictionary<string, object> Properties
    {
        get
        {
            lock (_gate)
            {
                return new Dictionary<string, object>
                {
                    ["primary_in"] = _settings.PrimaryIn.Id,
                    ["secondary_in"] = _settings.SecondaryIn.Id,
                    ["outdev"] = _settings.Output.Id,
                    ["iothread"] = _settings.IoThread,
                    ["vnet_hdr_support"] = _settings.HasVnetHeader,
                    ["compare_timeout"] = (long)_settings.Options.CompareTimeout.TotalMilliseconds,
                    ["expired_scan_cycle"] = (long)_settings.ScanCycle.TotalMilliseconds,
                    ["max_queue_size"] = (long)_settings.Options.QueueFramesMax,
                    ["x-primary-frames"] = _comparer.Counters.PrimaryFrames,
                    ["x-secondary-frames"] = _comparer.Counters.SecondaryFrames,
                    ["x-matched"] = _comparer.Counters.Released(ReleasePermit.Matched),
                    ["x-committed"] = _comparer.Counters.Released(ReleasePermit.Committed),
                    ["x-solo"] = _comparer.Counters.Released(ReleasePermit.Solo),
                    ["x-mismatches"] = _comparer.Counters.Requests(CheckpointReason.Mismatch),
                    ["x-timeouts"] = _comparer.Counters.Requests(CheckpointReason.Timeout),
                    ["x-waiting"] = _comparer.DescribeWaiting(),
                };
            }
        }
    }

    private TimeSpan Now => _time.GetElapsedTime(_started);

    public void Set(string name, QmpFields value) => throw new QmpFailureException(
        $"Property '{Type}.{name}' cannot be changed after creation");

    string? IReplicationPart.Start(ReplicationRole role)
    {
        lock (_gate)
        {
            if (role == ReplicationRole.Primary && _comparer.Mode == ComparerMode.Solo)
            {
                _comparer.EnterPair(_comparer.CapturedEpoch.Next);
            }
        }

        return null;
    }

    /// <summary>
    /// Captured and committed at once: both replicas stand. What the secondary said before is of no use any more.
    /// </summary>
    void IReplicationPart.Committed()
    {
        lock (_gate)
        {
            if (_comparer.Mode != ComparerMode.Pair)
            {
                return;
            }

            FrameEpoch epoch = _comparer.CapturedEpoch.Next;
            _comparer.CheckpointCaptured(epoch);
            _comparer.CheckpointCommitted(epoch, Now);
            _isStanding = true;
        }

        FlushOutput();
    }

    /// <summary>
    /// Both go on. The secondary's frames of the state that was replaced are on this host since before the checkpoint
    /// (its redirector saw to that), so whatever has not been read yet is read and dropped first.
    /// </summary>
    void IReplicationPart.Resuming()
    {
        using var wait = new ManualResetEventSlim();
        var limit = System.Diagnostics.Stopwatch.StartNew();
        while (_settings.SecondaryIn.HasInput && limit.Elapsed < InputMax)
        {
            wait.Wait(1);
        }

        lock (_gate)
        {
            _isStanding = false;
        }
    }

    string? IReplicationPart.FailedOver(ReplicationRole role)
    {
        lock (_gate)
        {
            _isStanding = false;
            _comparer.GoSolo();
        }

        FlushOutput();
        return null;
    }

    bool IReleaseSink.TryRelease(PooledFrame frame, ReleasePermit permit) =>
        _settings.Output.TrySend(frame.Bytes, frame.VnetHeaderLength, flush: false);

    void IReleaseSink.RequestCheckpoint(CheckpointReason reason) => _hooks.WantCheckpoint();

    /// <summary>The machine ends: what waits never leaves, because the secondary may take over without it.</summary>
    public void Abandon()
    {
        lock (_gate)
        {
            _comparer.StopReleasing();
        }
    }

    /// <summary>What waits leaves; the secondary's is dropped.</summary>
    public void Dispose()
    {
        _timer.Dispose();
        lock (_gate)
        {
            _comparer.GoSolo();
        }

        FlushOutput();
        _settings.PrimaryIn.Detach(_users[2]);
        _settings.SecondaryIn.Detach(_users[1]);
        _settings.Output.Detach(_users[0]);
        lock (_gate)
        {
            _comparer.StopReleasing();
        }
    }

    private void AttachAll()
    {
        // The output first: what an input brings has somewhere to go.
        SocketChardev[] devices = [_settings.Output, _settings.SecondaryIn, _settings.PrimaryIn];
        for (int i = 0; i < devices.Length; i++)
        {
            try
            {
                devices[i].Attach(_users[i]);
            }
            catch (QmpFailureException)
            {
                for (int j = 0; j < i; j++)
                {
                    devices[j].Detach(_users[j]);
                }

                throw;
            }
        }
    }

    private bool Accept(ReadOnlySpan<byte> payload, int vnetHeaderLength, bool isPrimary)
    {
        lock (_gate)
        {
            if (!isPrimary && _isStanding)
            {
                return true;
            }

            if (!_pool.TryCopy(payload, FrameOwner.Reader, out PooledFrame? frame))
            {
                return false;
            }

            frame.VnetHeaderLength = vnetHeaderLength;
            if (!isPrimary)
            {
                _comparer.Secondary(frame, _comparer.CapturedEpoch, Now);
                return true;
            }

            if (_comparer.Primary(frame, _comparer.CapturedEpoch, Now))
            {
                return true;
            }

            frame.Release();
            return false;
        }
    }

    private void Drained()
    {
        lock (_gate)
        {
            _comparer.OutputReady();
        }

        FlushOutput();
    }

    private void FlushOutput() => _settings.Output.Flush();

    private void Tick()
    {
        lock (_gate)
        {
            _comparer.Tick(Now);
            // A frame that the output refused while nobody was connected to it is not announced by anybody.
            _comparer.OutputReady();
        }

        FlushOutput();
    }
}
