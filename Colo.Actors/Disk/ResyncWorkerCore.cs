using System.Globalization;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Actors.Disk;

/// <summary>
/// Fills a joiner while the owner runs solo: first the disk (only what differs), then passes over memory until little
/// is left, then says so.
/// <code>
/// Idle -> CopyingDisk -> CopyingMemory (passes) -> Idle
/// </code>
/// Promises L4: it ends. A guest that dirties faster than the link is throttled step by step and reported, and after
/// the last pass the joining checkpoint takes the rest. A pass may take as long as the memory is large; when nothing
/// moves, because the target is silent, the stall timer ends the attempt.
/// </summary>
public sealed class ResyncWorkerCore : IProtocolCore
{
    private readonly ResyncOptions _options;
    private readonly TransitionTable<ResyncState> _table;
    private ResyncState _state = ResyncState.Idle;
    private HostIdentity _peer;
    private Term _term;
    private int _round;
    private int _guestPercent = 100;
    private string _disk = string.Empty;
    private long _generation;

    public ResyncWorkerCore(ResyncOptions options)
    {
        _options = options;
        ResyncState[] all = Enum.GetValues<ResyncState>();
        ResyncState[] copying = [ResyncState.CopyingDisk, ResyncState.CopyingMemory];
        _table = new TransitionTable<ResyncState>(typeof(IResyncInput))
            .On<StartResync>(OnStart, all)
            .On<StopResync>((_, stop, effects) => Stop(effects), copying)
            .On<DiskCopyProgress>((_, progress, effects) => OnProgress(progress, effects), ResyncState.CopyingDisk)
            .On<DiskCopyDone>((_, done, effects) => OnDiskDone(done, effects), ResyncState.CopyingDisk)
            .On<MemoryRoundDone>(OnRound, ResyncState.CopyingMemory)
            .On<MemoryRoundOutrun>(
                (_, outrun, effects) =>
                {
                    EmitThrottled(outrun.GuestPercent, outrun.Round, outrun.PagesSent, outrun.DirtyPages, effects);
                    ArmStall(effects);
                },
                ResyncState.CopyingMemory)
            .On<MemoryCopyProgress>((_, _, effects) => ArmStall(effects), ResyncState.CopyingMemory)
            .On<ResyncChannelFailed>((_, failed, effects) => Fail(failed.Reason, effects), copying)
            .On<TimerFired>(OnTimer, copying)
            .IgnoreElsewhere<StopResync>("nothing is being copied")
            .IgnoreElsewhere<DiskCopyProgress>("of an attempt that is past")
            .IgnoreElsewhere<DiskCopyDone>("of an attempt that is past")
            .IgnoreElsewhere<MemoryCopyProgress>("of an attempt that is past")
            .IgnoreElsewhere<MemoryRoundDone>("of an attempt that is past")
            .IgnoreElsewhere<MemoryRoundOutrun>("of an attempt that is past")
            .IgnoreElsewhere<ResyncChannelFailed>("of an attempt that is past")
            .IgnoreElsewhere<TimerFired>("of an attempt that is past");
    }

    public ResyncState State => _state;

    public string StateName => _state.ToString();

    /// <summary>Bytes of the disk copied so far and in all; equal when done, 0 of 0 before the first report.</summary>
    public (long Done, long Total) DiskProgress { get; private set; }

    public int Round => _round;

    public TransitionTable<ResyncState> Table => _table;

    /// <summary>How the joiner's disk is brought into step. Trusts no disk whose last common term it does not know.
    /// <see cref="DiskCopyPlan.Bitmaps"/> is a permission: whether both bitmaps are about the same peer, and so cover
    /// the gap, the disks' own handshake finds out, and compares everything if they are not.</summary>
    public static DiskCopyPlan Plan(DiskLineage joiner, Term ownerBitmapSince, long diskSizeBytes) =>
        diskSizeBytes == 0 ? DiskCopyPlan.Nothing
        : joiner.SizeBytes != diskSizeBytes ? DiskCopyPlan.Full
        : joiner.HasWriteBitmap && ownerBitmapSince > Term.Zero && joiner.LastTerm > Term.Zero ? DiskCopyPlan.Bitmaps
        : DiskCopyPlan.Hashes;

    public void Decide(Instant now, Message message, EffectList effects) => _table.Dispatch(_state, now, message, effects);

    private void OnStart(Instant now, StartResync start, EffectList effects)
    {
        (_peer, _term, _round) = (start.Peer, start.Term, 0);
        DiskProgress = (0, 0);
        _disk = string.Empty;
        DiskCopyPlan plan = Plan(start.Joiner, start.OwnerBitmapSince, start.DiskSizeBytes);
        effects.Add(new Effect.Emit(new HostEvent(EventCode.ResyncStarted, _term, Epoch.Zero, $"{_peer}: disk by {plan}")));
        if (plan == DiskCopyPlan.Nothing)
        {
            BeginRound(effects);
            return;
        }

        _state = ResyncState.CopyingDisk;
        effects.Add(new Effect.CopyDisk(_peer.Host, plan));
        ArmStall(effects);
    }

    private void OnProgress(DiskCopyProgress progress, EffectList effects)
    {
        DiskProgress = (progress.BytesDone, progress.BytesTotal);
        ArmStall(effects);
    }

    private void OnDiskDone(DiskCopyDone done, EffectList effects)
    {
        if (done.TotalBytes > 0)
        {
            _disk = string.Create(
                CultureInfo.InvariantCulture,
                $"disk: {done.ComparedBytes} of {done.TotalBytes} bytes compared, {done.SentBytes} sent");
        }

        BeginRound(effects);
    }

    private void OnRound(Instant now, MemoryRoundDone done, EffectList effects)
    {
        bool converged = done.DirtyPages <= _options.ConvergedPages;
        if (converged || done.IsLast || _round >= _options.RoundsMax)
        {
            Stop(effects);
            string left = converged
                ? string.Empty
                : $"memory: {done.DirtyPages} pages left for the joining checkpoint";
            effects.Add(new Effect.Tell(CoreName.Failover, new ResyncConverged(
                _peer, _disk.Length > 0 && left.Length > 0 ? $"{_disk}, {left}" : _disk + left)));
            return;
        }

        bool noGain = _round > 1 && done.DirtyPages * 100 >= done.PagesSent * _options.NoGainPercent;
        if (noGain && _guestPercent > _options.ThrottleFloorPercent)
        {
            _guestPercent = Math.Max(_options.ThrottleFloorPercent, _guestPercent - _options.ThrottleStepPercent);
            effects.Add(new Effect.ThrottleGuest(_guestPercent));
            EmitThrottled(_guestPercent, _round, done.PagesSent, done.DirtyPages, effects);
        }

        BeginRound(effects);
    }

    private void EmitThrottled(int percent, int pass, long sent, long left, EffectList effects) =>
        effects.Add(new Effect.Emit(new HostEvent(EventCode.GuestThrottled, _term, Epoch.Zero,
            $"{percent} %: pass {pass} sent {sent} pages and left {left} dirty")));

    private void BeginRound(EffectList effects)
    {
        _state = ResyncState.CopyingMemory;
        _round++;
        effects.Add(new Effect.CopyMemoryRound(_peer.Host, _round));
        ArmStall(effects);
    }

    private void OnTimer(Instant now, TimerFired fired, EffectList effects)
    {
        if (fired.Generation == _generation)
        {
            Fail("no progress", effects);
        }
    }

    private void Fail(string reason, EffectList effects)
    {
        Stop(effects);
        effects.Add(new Effect.Emit(new HostEvent(EventCode.ResyncFailed, _term, Epoch.Zero, reason)));
        effects.Add(new Effect.Tell(CoreName.Failover, new ResyncFailed(_peer, reason)));
    }

    private void Stop(EffectList effects)
    {
        _state = ResyncState.Idle;
        effects.Add(new Effect.StopTimer(TimerName.ResyncStall));
        effects.Add(new Effect.StopCopy());
        if (_guestPercent != 100)
        {
            _guestPercent = 100;
            effects.Add(new Effect.ThrottleGuest(100));
        }
    }

    private void ArmStall(EffectList effects) =>
        effects.Add(new Effect.StartTimer(TimerName.ResyncStall, ++_generation, _options.StallTimeout));
}
