using System.Numerics;

namespace Colo.Vmm.Cpu;

/// <summary>
/// Physical memory protection (privileged specification, section 3.7), granularity 4 bytes. As long as no entry is
/// active everything is allowed, also to S and U mode: firmware that knows no PMP would otherwise lock itself out.
/// </summary>
internal sealed unsafe class Pmp(HartContext* context)
{
    public const int EntryCount = 16;
    private const byte Locked = 0x80;

    private bool _active;

    /// <summary>Whether any entry is on.</summary>
    public bool Active => _active;

    public void Refresh()
    {
        _active = false;
        for (int i = 0; i < EntryCount; i++)
        {
            _active |= (context->Cold.PmpConfig[i] & 0x18) != 0;
        }
    }

    public ulong ReadConfig(int first)
    {
        ulong value = 0;
        for (int i = 0; i < 8; i++)
        {
            value |= (ulong)context->Cold.PmpConfig[first + i] << (8 * i);
        }

        return value;
    }

    public void WriteConfig(int first, ulong value)
    {
        for (int i = 0; i < 8; i++)
        {
            byte config = (byte)(value >> (8 * i) & 0x9f);
            // W without R is reserved: such a write leaves the entry as it was.
            bool reserved = (config & 3) == 2;
            if ((context->Cold.PmpConfig[first + i] & Locked) == 0 && !reserved)
            {
                context->Cold.PmpConfig[first + i] = config;
            }
        }

        Refresh();
    }

    public void WriteAddress(int index, ulong value)
    {
        bool lockedByNext = index + 1 < EntryCount
            && (context->Cold.PmpConfig[index + 1] & (Locked | 0x18)) == (Locked | 0x08);
        if ((context->Cold.PmpConfig[index] & Locked) == 0 && !lockedByNext)
        {
            context->Cold.PmpAddress[index] = value & 0x3f_ffff_ffff_ffff;
        }
    }

    /// <summary>
    /// Whether an access to the bytes from <paramref name="address"/> on is allowed. <paramref name="wholePage"/> says
    /// whether the answer holds for the whole 4 KiB page, so that it may be cached.
    /// </summary>
    public bool Allows(ulong address, int size, AccessKind kind, PrivilegeMode mode, out bool wholePage)
    {
        wholePage = true;
        if (!_active)
        {
            return true;
        }

        ulong page = address & ~0xfffUL;
        for (int i = 0; i < EntryCount; i++)
        {
            byte config = context->Cold.PmpConfig[i];
            if ((config & 0x18) == 0)
            {
                continue;
            }

            Range(i, config, out ulong low, out ulong high);
            if (low < page + 4096 && high > page && !(low <= page && high >= page + 4096))
            {
                wholePage = false;
            }

            ulong end = address + (ulong)size;
            if (low < end && high > address)
            {
                bool inside = low <= address && high >= end;
                bool enforced = mode != PrivilegeMode.Machine || (config & Locked) != 0;
                return inside && (!enforced || (config & (int)kind) == (int)kind);
            }
        }

        return mode == PrivilegeMode.Machine;
    }

    private void Range(int index, byte config, out ulong low, out ulong high)
    {
        ulong address = context->Cold.PmpAddress[index];
        switch (config >> 3 & 3)
        {
            case 1:
                low = index == 0 ? 0 : context->Cold.PmpAddress[index - 1] << 2;
                high = address << 2;
                break;
            case 2:
                low = address << 2;
                high = low + 4;
                break;
            default:
                int ones = BitOperations.TrailingZeroCount(~address);
                low = (address & ~((1UL << ones) - 1)) << 2;
                high = ones >= 54 ? ulong.MaxValue : low + (8UL << ones);
                break;
        }
    }
}
