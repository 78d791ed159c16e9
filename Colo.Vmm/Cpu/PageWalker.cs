using Colo.Vmm.Memory;

namespace Colo.Vmm.Cpu;

/// <summary>
/// Sv39 and Sv48 translation with hardware update of A and D (privileged specification, sections 12.3 to 12.5; Svadu
/// behaviour). Setting a bit is a write to guest RAM and passes the same gate as any other.
/// </summary>
internal sealed unsafe class PageWalker(GuestRam ram, HartContext* context, Pmp pmp)
{
    /// <summary>Returned instead of a trap cause when the translation exists.</summary>
    public const ulong Success = ulong.MaxValue;

    private const ulong Valid = 1;
    private const ulong Readable = 2;
    private const ulong Writable = 4;
    private const ulong Executable = 8;
    private const ulong User = 16;
    private const ulong Global = 32;
    private const ulong Accessed = 64;
    private const ulong Dirty = 128;

    /// <summary>N, PBMT and the bits reserved for future use: all must be zero here.</summary>
    private const ulong Reserved = 0xffc0_0000_0000_0000;

    /// <summary>Whether any translation of an address in the lower half came from a page larger than 4 KiB, since
    /// the owner cleared this.</summary>
    public bool SawLargeLow { get; set; }

    /// <summary>The same of the upper half, which is the kernel's.</summary>
    public bool SawLargeHigh { get; set; }

    /// <summary>Whether the last translation is the same in every address space (the G bit of its leaf, or of a table
    /// on the way).</summary>
    public bool IsGlobal { get; private set; }

    /// <summary>Gives the physical address, or the cause of the trap to take.</summary>
    public ulong Translate(ulong address, AccessKind kind, PrivilegeMode mode, out ulong physical)
    {
        ulong satp = context->Cold.Satp;
        physical = address;
        IsGlobal = false;
        if (mode == PrivilegeMode.Machine || satp >> 60 == 0)
        {
            return Success;
        }

        int levels = satp >> 60 == 8 ? 3 : 4;
        int unusedBits = 64 - 12 - 9 * levels;
        if ((ulong)((long)(address << unusedBits) >> unusedBits) != address)
        {
            return TrapCause.Page(kind);
        }

        ulong cause;
        do
        {
            cause = Walk(address, kind, mode, (satp & 0xfff_ffff_ffff) << 12, levels, out physical);
        }
        while (cause == Retry);
        return cause;
    }

    private const ulong Retry = ulong.MaxValue - 1;

    private ulong Walk(
        ulong address, AccessKind kind, PrivilegeMode mode, ulong table, int levels, out ulong physical)
    {
        physical = 0;
        ulong global = 0;
        for (int level = levels - 1; level >= 0; level--)
        {
            int shift = 12 + 9 * level;
            ulong entryAddress = table + (address >> shift & 511) * 8;
            if (!ram.Covers(entryAddress, 8)
                || !pmp.Allows(entryAddress, 8, AccessKind.Read, PrivilegeMode.Supervisor, out _))
            {
                return TrapCause.Access(kind);
            }

            ulong* host = (ulong*)(ram.Host + (entryAddress - ram.BaseAddress));
            ulong entry = Volatile.Read(ref *host);
            if ((entry & Valid) == 0 || (entry & (Readable | Writable)) == Writable || (entry & Reserved) != 0)
            {
                return TrapCause.Page(kind);
            }

            global |= entry & Global;
            if ((entry & (Readable | Executable)) == 0)
            {
                if ((entry & (User | Accessed | Dirty)) != 0)
                {
                    return TrapCause.Page(kind);
                }

                table = entry >> 10 << 12;
                continue;
            }

            ulong offsetMask = (1UL << shift) - 1;
            ulong target = entry >> 10 << 12;
            if (!Permitted(entry, kind, mode) || (target & offsetMask) != 0)
            {
                return TrapCause.Page(kind);
            }

            if (!UpdateBits(host, entryAddress, entry, kind))
            {
                return Retry;
            }

            SawLarge(address, level);
            IsGlobal = global != 0;
            physical = target | address & offsetMask;
            return Success;
        }

        return TrapCause.Page(kind);
    }

    private void SawLarge(ulong address, int level)
    {
        if (level > 0)
        {
            SawLargeHigh |= address >> 63 != 0;
            SawLargeLow |= address >> 63 == 0;
        }
    }

    private bool Permitted(ulong entry, AccessKind kind, PrivilegeMode mode)
    {
        ulong status = context->Cold.Mstatus;
        if (mode == PrivilegeMode.User)
        {
            if ((entry & User) == 0)
            {
                return false;
            }
        }
        else if ((entry & User) != 0 && (kind == AccessKind.Fetch || (status & Mstatus.Sum) == 0))
        {
            return false;
        }

        return kind switch
        {
            AccessKind.Fetch => (entry & Executable) != 0,
            AccessKind.Write => (entry & Writable) != 0,
            _ => (entry & Readable) != 0 || ((status & Mstatus.Mxr) != 0 && (entry & Executable) != 0),
        };
    }

    /// <summary>Sets A, and D for a write. False when another hart changed the entry in between: walk again.</summary>
    private bool UpdateBits(ulong* host, ulong entryAddress, ulong entry, AccessKind kind)
    {
        ulong wanted = entry | Accessed | (kind == AccessKind.Write ? Dirty : 0);
        if (wanted == entry)
        {
            return true;
        }

        int page = (int)((entryAddress - ram.BaseAddress) >> GuestRam.PageShift);
        ram.PrepareWrite(page);
        ram.DropCode(page);
        return Interlocked.CompareExchange(ref *host, wanted, entry) == entry;
    }
}
