using Colo.Vmm.Devices;

namespace Colo.Vmm.Machine;

/// <summary>
/// Guest time. In real time it follows the <see cref="TimeProvider"/> while the machine runs and stands while it is
/// paused; by instruction count it is a function of the instructions retired and of the idle time skipped. The value is
/// part of the state, so after a move to another host time goes on where it stood; the wall clock never goes back
/// either. Time is read on any of the machine's threads, or by anyone while paused; the rest is done under the device
/// lock.
/// </summary>
internal sealed class MachineClock : ISettableClock, IStatefulDevice
{
    /// <summary>By instruction count a hart makes 100 million instructions a second of guest time.</summary>
    public const ulong InstructionsPerTick = 10;
    private const ulong NanosecondsPerTick = 100;

    /// <summary>2026-01-01T00:00:00Z, where the wall clock of a reproducible run begins.</summary>
    private const ulong ReproducibleEpoch = 1_767_225_600ul * 1_000_000_000;

    private readonly TimeProvider _timeProvider;
    private readonly ClockMode _mode;
    private readonly Func<ulong> _retired;
    private ulong _retiredAtBase;

    /// <summary>Replaced as a whole, because a hart may set the time while another reads it.</summary>
    private volatile Origin _origin = new(0, 0);
    private long _stopTimestamp;
    private bool _running;
    private ulong _wallFloor;

    public MachineClock(ClockMode mode, TimeProvider timeProvider, Func<ulong> retired)
    {
        _mode = mode;
        _timeProvider = timeProvider;
        _retired = retired;
        Reset();
    }

    public string SectionTag => "CLCK";

    public ushort StateVersion => 1;

    public ClockMode Mode => _mode;

    public ulong ReadTime()
    {
        if (_mode == ClockMode.InstructionCount)
        {
            return _origin.Ticks + ((_retired() - _retiredAtBase) / InstructionsPerTick);
        }

        Origin origin = _origin;
        return _running ? origin.Ticks + Elapsed(origin) : origin.Ticks;
    }

    public void SetTime(ulong ticks)
    {
        _retiredAtBase = _retired();
        _origin = new Origin(ticks, _timeProvider.GetTimestamp());
    }

    public ulong ReadWallClockNanoseconds()
    {
        ulong now = _mode == ClockMode.InstructionCount
            ? ReproducibleEpoch + (ReadTime() * NanosecondsPerTick)
            : (ulong)(_timeProvider.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * NanosecondsPerTick;
        _wallFloor = Math.Max(_wallFloor, now);
        return _wallFloor;
    }

    public void Run()
    {
        if (!_running)
        {
            _origin = new Origin(_origin.Ticks, _timeProvider.GetTimestamp());
            _running = true;
        }
    }

    public void Stop()
    {
        if (_running)
        {
            _origin = _mode == ClockMode.RealTime ? new Origin(ReadTime(), 0) : _origin;
            _stopTimestamp = _timeProvider.GetTimestamp();
            _running = false;
        }
    }

    /// <summary>In real time and while stopped: counts the given time as passed.</summary>
    public void Advance(TimeSpan elapsed)
    {
        if (_mode == ClockMode.RealTime && !_running && elapsed > TimeSpan.Zero)
        {
            // A guest tick and a TimeSpan tick are both 100 ns.
            _origin = new Origin(_origin.Ticks + (ulong)elapsed.Ticks, 0);
        }
    }

    /// <summary>In real time and while stopped: counts the time since the stop as passed.</summary>
    public void CatchUp()
    {
        if (_mode == ClockMode.RealTime && !_running && _stopTimestamp != 0)
        {
            long now = _timeProvider.GetTimestamp();
            Advance(_timeProvider.GetElapsedTime(_stopTimestamp, now));
            _stopTimestamp = now;
        }
    }

    /// <summary>By instruction count: instructions until the given time, at least one. The same whenever it is
    /// asked.</summary>
    public ulong InstructionsUntil(ulong ticks)
    {
        ulong now = ReadTime();
        ulong beyond = (_retired() - _retiredAtBase) % InstructionsPerTick;
        ulong ahead = ticks > now ? Math.Min(ticks - now, ulong.MaxValue / InstructionsPerTick) : 0;
        return Math.Max(1, ahead * InstructionsPerTick - Math.Min(beyond, ahead * InstructionsPerTick));
    }

    /// <summary>By instruction count: skips idle time.</summary>
    public void Warp(ulong ticks)
    {
        ulong now = ReadTime();
        _origin = new Origin(_origin.Ticks + (ticks > now ? ticks - now : 0), 0);
    }

    public void Reset() => SetTime(0);

    public void Save(StateWriter writer)
    {
        writer.UInt8((byte)_mode);
        writer.UInt64(ReadTime());
        writer.UInt64(ReadWallClockNanoseconds());
        writer.UInt8((byte)(_mode == ClockMode.InstructionCount ? (_retired() - _retiredAtBase) % InstructionsPerTick : 0));
    }

    public DeviceState? Decode(ref StateReader reader, ushort version)
    {
        byte mode = reader.UInt8("clock.mode");
        reader.Require(mode == (byte)_mode, "clock.mode", mode, $"{(byte)_mode} ({_mode})");
        ulong ticks = reader.UInt64("clock.ticks");
        ulong wall = reader.UInt64("clock.wall");
        byte fraction = reader.UInt8("clock.fraction");
        reader.Require(fraction < InstructionsPerTick, "clock.fraction", fraction, $"less than {InstructionsPerTick}");
        return reader.Failed ? null : new MachineClockState(ticks, wall, fraction);
    }

    public void Restore(DeviceState state)
    {
        var saved = (MachineClockState)state;
        SetTime(saved.Ticks);
        _retiredAtBase = unchecked(_retiredAtBase - saved.Fraction);
        _wallFloor = saved.WallNanoseconds;
    }

    private ulong Elapsed(Origin origin)
    {
        long ticks = _timeProvider.GetTimestamp() - origin.Timestamp;
        long frequency = _timeProvider.TimestampFrequency;
        return frequency == 1_000_000_000
            ? (ulong)ticks / NanosecondsPerTick
            : (ulong)((Int128)ticks * MemoryMap.TimebaseFrequency / frequency);
    }

    /// <summary>Guest time at a moment of the host's.</summary>
    private sealed record Origin(ulong Ticks, long Timestamp);
}
