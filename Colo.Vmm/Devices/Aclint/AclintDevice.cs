namespace Colo.Vmm.Devices.Aclint;

/// <summary>
/// RISC-V ACLINT in the layout of the SiFive CLINT (QEMU's <c>virt</c> puts it at 0x0200_0000): MSWI, one software
/// interrupt register a hart, and MTIMER, one 64-bit compare register a hart against the machine's clock.
/// Level outputs: MSIP (mip bit 3) while the register is 1, MTIP (bit 7) while <c>mtime >= mtimecmp</c>.
/// Only M-mode firmware uses it; with the built-in SBI the kernel never sees it.
/// Source: RISC-V ACLINT specification 1.0, chapters 2 and 3.
/// </summary>
internal sealed class AclintDevice : IMmioDevice, IDeadlineDevice, IStatefulDevice
{
    public const ulong SizeBytes = 0x10000;
    private const ulong CompareBase = 0x4000;
    private const ulong TimeOffset = 0xbff8;
    private const int SoftwareInterrupt = 3;
    private const int TimerInterrupt = 7;

    private readonly IHartInterrupts[] _harts;
    private readonly ISettableClock _clock;
    private readonly IMachineWaker _waker;
    private readonly bool[] _software;
    private readonly ulong[] _compare;
    private readonly bool[] _fired;

    public AclintDevice(IHartInterrupts[] harts, ISettableClock clock, IMachineWaker waker)
    {
        _harts = harts;
        _clock = clock;
        _waker = waker;
        _software = new bool[harts.Length];
        _compare = new ulong[harts.Length];
        _fired = new bool[harts.Length];
        Reset();
    }

    public string SectionTag => "ACLN";

    public ushort StateVersion => 1;

    public ulong NextDeadline
    {
        get
        {
            // A compare register that has fired is no deadline: its level stays until the guest writes it.
            ulong next = ulong.MaxValue;
            for (int hart = 0; hart < _compare.Length; hart++)
            {
                if (!_fired[hart] && _compare[hart] < next)
                {
                    next = _compare[hart];
                }
            }

            return next;
        }
    }

    public void Reset()
    {
        for (int hart = 0; hart < _harts.Length; hart++)
        {
            _software[hart] = false;
            _compare[hart] = ulong.MaxValue;
            _harts[hart].SetInterrupt(SoftwareInterrupt, false);
            SetTimer(hart, false);
        }
    }

    public void Expire(ulong now)
    {
        for (int hart = 0; hart < _harts.Length; hart++)
        {
            SetTimer(hart, now >= _compare[hart]);
        }
    }

    public ulong Read(ulong offset, int size)
    {
        if (offset < CompareBase)
        {
            int hart = (int)(offset / 4);
            return hart < _software.Length && _software[hart] ? 1u : 0u;
        }

        ulong register = offset >= TimeOffset ? _clock.ReadTime() : CompareAt(offset);
        return size == 8 ? register : (uint)(register >> (int)((offset & 4) * 8));
    }

    public void Write(ulong offset, int size, ulong value)
    {
        if (offset < CompareBase)
        {
            int hart = (int)(offset / 4);
            if (hart < _software.Length)
            {
                _software[hart] = (value & 1) != 0;
                _harts[hart].SetInterrupt(SoftwareInterrupt, _software[hart]);
            }

            return;
        }

        ulong before = NextDeadline;
        WriteTimer(offset, size, value);
        if (NextDeadline < before || offset >= TimeOffset)
        {
            // The thread that serves the devices may sleep until the old deadline while another hart writes this.
            _waker.Wake();
        }
    }

    public void Save(StateWriter writer)
    {
        writer.UInt8((byte)_harts.Length);
        for (int hart = 0; hart < _harts.Length; hart++)
        {
            writer.Bool(_software[hart]);
            writer.UInt64(_compare[hart]);
        }
    }

    public DeviceState? Decode(ref StateReader reader, ushort version)
    {
        int harts = reader.UInt8("aclint.harts");
        reader.Require(harts == _harts.Length, "aclint.harts", (ulong)harts, $"{_harts.Length}");
        var software = new bool[_harts.Length];
        var compare = new ulong[_harts.Length];
        for (int hart = 0; hart < software.Length && !reader.Failed; hart++)
        {
            software[hart] = reader.Bool("aclint.msip");
            compare[hart] = reader.UInt64("aclint.mtimecmp");
        }

        return reader.Failed ? null : new AclintState(software, compare);
    }

    public void Restore(DeviceState state)
    {
        var saved = (AclintState)state;
        for (int hart = 0; hart < _harts.Length; hart++)
        {
            _software[hart] = saved.SoftwareInterrupts[hart];
            _compare[hart] = saved.TimerCompares[hart];
            _harts[hart].SetInterrupt(SoftwareInterrupt, _software[hart]);
        }

        Expire(_clock.ReadTime());
    }

    private void WriteTimer(ulong offset, int size, ulong value)
    {
        if (offset >= TimeOffset)
        {
            _clock.SetTime(Merge(_clock.ReadTime(), offset, size, value));
            Expire(_clock.ReadTime());
        }
        else if ((int)((offset - CompareBase) / 8) is var hart && hart < _compare.Length)
        {
            _compare[hart] = Merge(_compare[hart], offset, size, value);
            SetTimer(hart, _clock.ReadTime() >= _compare[hart]);
        }
    }

    private void SetTimer(int hart, bool level)
    {
        _fired[hart] = level;
        _harts[hart].SetInterrupt(TimerInterrupt, level);
    }

    private ulong CompareAt(ulong offset)
    {
        int hart = (int)((offset - CompareBase) / 8);
        return hart < _compare.Length ? _compare[hart] : 0;
    }

    private static ulong Merge(ulong old, ulong offset, int size, ulong value)
    {
        if (size == 8)
        {
            return value;
        }

        int shift = (int)((offset & 4) * 8);
        return (old & ~(0xffff_fffful << shift)) | ((ulong)(uint)value << shift);
    }
}
