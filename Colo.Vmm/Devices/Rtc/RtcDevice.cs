namespace Colo.Vmm.Devices.Rtc;

/// <summary>
/// Goldfish real-time clock: nanoseconds since 1970 in two 32-bit halves (reading the low half latches the high one)
/// and one alarm. Source: Linux device tree binding google,goldfish-rtc and the Goldfish virtual hardware guide.
/// </summary>
internal sealed class RtcDevice : IMmioDevice, IDeadlineDevice, IStatefulDevice
{
    public const ulong SizeBytes = 0x1000;
    private const ulong NanosecondsPerTick = 100;

    private readonly IInterruptLine _line;
    private readonly ISettableClock _clock;
    private readonly IMachineWaker _waker;
    private uint _timeHigh;
    private uint _alarmHigh;
    private ulong _alarm;
    private bool _alarmRunning;
    private bool _interruptEnabled;
    private bool _interruptPending;
    private long _offset;

    public RtcDevice(IInterruptLine line, ISettableClock clock, IMachineWaker waker)
    {
        _line = line;
        _clock = clock;
        _waker = waker;
        Reset();
    }

    public string SectionTag => "RTC ";

    public ushort StateVersion => 1;

    public ulong NextDeadline
    {
        get
        {
            if (!_alarmRunning)
            {
                return ulong.MaxValue;
            }

            ulong now = Now();
            return _alarm <= now ? 0 : _clock.ReadTime() + ((_alarm - now) / NanosecondsPerTick) + 1;
        }
    }

    public void Reset()
    {
        _timeHigh = 0;
        _alarmHigh = 0;
        _alarm = 0;
        _alarmRunning = false;
        _interruptEnabled = false;
        _interruptPending = false;
        _offset = 0;
        Update();
    }

    public void Expire(ulong now)
    {
        if (_alarmRunning && _alarm <= Now())
        {
            _alarmRunning = false;
            _interruptPending = true;
            Update();
        }
    }

    public ulong Read(ulong offset, int size)
    {
        switch (offset)
        {
            case 0x00:
                ulong now = Now();
                _timeHigh = (uint)(now >> 32);
                return (uint)now;
            case 0x04:
                return _timeHigh;
            case 0x08:
                return (uint)_alarm;
            case 0x0c:
                return _alarm >> 32;
            case 0x10:
                return _interruptEnabled ? 1u : 0u;
            case 0x18:
                return _alarmRunning ? 1u : 0u;
            default:
                return 0;
        }
    }

    public void Write(ulong offset, int size, ulong value)
    {
        switch (offset)
        {
            case 0x00:
                unchecked
                {
                    _offset += (long)((((ulong)_timeHigh << 32) | (uint)value) - Now());
                }

                AnnounceDeadline();
                break;
            case 0x04:
                _timeHigh = (uint)value;
                break;
            case 0x08:
                _alarm = ((ulong)_alarmHigh << 32) | (uint)value;
                _alarmRunning = true;
                Expire(_clock.ReadTime());
                AnnounceDeadline();
                break;
            case 0x0c:
                _alarmHigh = (uint)value;
                break;
            case 0x10:
                _interruptEnabled = (value & 1) != 0;
                break;
            case 0x14:
                _alarmRunning = false;
                break;
            case 0x1c:
                _interruptPending = false;
                break;
            default:
                break;
        }

        Update();
    }

    public void Save(StateWriter writer)
    {
        writer.UInt32(_timeHigh);
        writer.UInt64(_alarm);
        writer.Bool(_alarmRunning);
        writer.Bool(_interruptEnabled);
        writer.Bool(_interruptPending);
        writer.Int64(_offset);
        writer.UInt32(_alarmHigh);
    }

    public DeviceState? Decode(ref StateReader reader, ushort version)
    {
        var state = new RtcState(
            reader.UInt32("rtc.time_high"), reader.UInt64("rtc.alarm"), reader.Bool("rtc.alarm_running"),
            reader.Bool("rtc.irq_enabled"), reader.Bool("rtc.irq_pending"), reader.Int64("rtc.offset"),
            reader.UInt32("rtc.alarm_high"));
        return reader.Failed ? null : state;
    }

    public void Restore(DeviceState state)
    {
        var saved = (RtcState)state;
        _timeHigh = saved.TimeHigh;
        _alarm = saved.AlarmNanoseconds;
        _alarmHigh = saved.AlarmHigh;
        _alarmRunning = saved.AlarmRunning;
        _interruptEnabled = saved.InterruptEnabled;
        _interruptPending = saved.InterruptPending;
        _offset = saved.OffsetNanoseconds;
        Update();
    }

    /// <summary>The thread that serves the devices may sleep until a later deadline while another hart sets
    /// this one.</summary>
    private void AnnounceDeadline()
    {
        if (_alarmRunning)
        {
            _waker.Wake();
        }
    }

    private ulong Now() => unchecked(_clock.ReadWallClockNanoseconds() + (ulong)_offset);

    private void Update() => _line.Set(_interruptEnabled && _interruptPending);
}
