using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Cpu;

/// <summary>
/// The software TLB and everything behind it: what loads, stores and fetches do when the fast probe in a handler
/// fails. There is one set of read, write and fetch arrays for each way to access memory (U, S, S with SUM, M), so
/// that traps and returns flush nothing. A write entry exists only for a page that has passed the RAM's gate since the
/// last swap and holds no decoded code: that is the whole cost of the dirty log and of self-modifying code.
/// No exception is thrown for the guest's faults: members return false and leave cause and value in
/// <see cref="FaultCause"/> and <see cref="FaultValue"/>.
/// </summary>
internal sealed unsafe class Mmu
{
    /// <summary>Entries of one array. A request to a server in a guest touches some hundred pages; with half as many
    /// entries several dozen of them took each other's place every time.</summary>
    public const int EntryCount = 2048;

    /// <summary>Bytes from the arrays for S to those for S with SUM.</summary>
    public static readonly int SupervisorToSum =
        (SetSumIndex - (int)PrivilegeMode.Supervisor) * 3 * EntryCount * sizeof(TlbEntry);

    private const int SetCount = 4;
    private const int FillsMax = 1024;
    private const int SetSumIndex = 2;
    private const ulong PageMask = GuestRam.PageSize - 1;
    private const int GenerationShift = 48;
    private const ulong GenerationMask = (1 << 14) - 1;
    private const int ContextAlignment = 4096;

    private readonly GuestRam _ram;
    private readonly ISystemBus _bus;
    private readonly PageWalker _walker;

    /// <summary>For each set the indices of entries that were filled since it was flushed: most flushes come after a
    /// few dozen. More than there is room for means all.</summary>
    private readonly ushort[][] _fills = new ushort[SetCount][];
    private readonly int[] _fillCounts = new int[SetCount];

    /// <summary>Holds the context and the TLB. The collector's, not freed by hand: other threads (a network card's, the
    /// one that serves metrics) may still set flags in the context and read its counters when the machine has
    /// ended.</summary>
    private readonly byte[] _memory;
    private readonly HartContext* _context;
    private TlbEntry* _fetch;
    private PrivilegeMode _dataMode;
    private ulong _generation;
    private ulong _userGeneration;
    private ulong _systemGeneration;

    /// <summary>Whether the supervisor's set holds a page that is not global.</summary>
    private bool _supervisorIsLocal;

    public Mmu(GuestRam ram, ISystemBus bus)
    {
        _ram = ram;
        _bus = bus;
        int size = (sizeof(HartContext) + 63) / 64 * 64;
        int tlbSize = SetCount * 3 * EntryCount * sizeof(TlbEntry);
        _memory = GC.AllocateArray<byte>(ContextAlignment - 1 + size + tlbSize, pinned: true);
        nuint start = (nuint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_memory));
        _context = (HartContext*)(start + ContextAlignment - 1 & ~(nuint)(ContextAlignment - 1));
        Entries = (TlbEntry*)((byte*)_context + size);
        Pmp = new Pmp(_context);
        _walker = new PageWalker(ram, _context, Pmp);
        for (int set = 0; set < SetCount; set++)
        {
            _fills[set] = new ushort[FillsMax];
            _fillCounts[set] = FillsMax + 1;
        }

        FlushAll();
        UpdateMode();
    }

    public HartContext* Context => _context;

    public Pmp Pmp { get; }

    /// <summary>All sets; a set is the read, the write and the fetch array.</summary>
    public TlbEntry* Entries { get; }

    public ulong FaultCause { get; private set; }

    public ulong FaultValue { get; private set; }

    /// <summary>The last page fetched from is executable only in part (PMP): take one instruction at a time.</summary>
    public bool FetchIsPartial { get; private set; }

    /// <summary>Called before a store to a page that holds decoded code; true keeps the page slow to write.</summary>
    public Func<int, int, int, bool>? StoreToCodePage { get; set; }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TlbEntry* Probe(TlbEntry* array, ulong address) => array + (address >> 12 & (EntryCount - 1));

    /// <summary>The tag that an access must find: that of its last byte, so one that leaves the page never
    /// matches.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Tag(ulong address, int size) => address + (ulong)(size - 1) & ~PageMask;

    /// <summary>Selects the arrays after a change of mode, MPRV, MPP or SUM.</summary>
    public void UpdateMode()
    {
        ulong status = _context->Cold.Mstatus;
        PrivilegeMode mode = _context->Privilege;
        _context->ModeKey = KeyOf(mode);
        _fetch = Entries + SetOf(mode) * 3 * EntryCount + 2 * EntryCount;
        if (mode == PrivilegeMode.Machine && (status & Mstatus.Mprv) != 0)
        {
            mode = (PrivilegeMode)(status >> Mstatus.MppShift & 3);
        }

        _dataMode = mode;
        int set = mode == PrivilegeMode.Supervisor && (status & Mstatus.Sum) != 0 ? SetSumIndex : SetOf(mode);
        _context->ReadTlb = Entries + set * 3 * EntryCount;
        _context->WriteTlb = _context->ReadTlb + EntryCount;
    }

    /// <summary>Forgets every translation, those of M mode included.</summary>
    public void FlushAll()
    {
        for (int set = 0; set < SetCount; set++)
        {
            FlushSet(set);
        }
    }

    /// <summary>Forgets what depends on page tables: a full sfence.vma, or satp changed its mode.</summary>
    public void FlushTranslated()
    {
        FlushSet(0);
        FlushSet(1);
        FlushSet(SetSumIndex);
        _walker.SawLargeLow = false;
        _walker.SawLargeHigh = false;
        _supervisorIsLocal = false;
    }

    /// <summary>
    /// Forgets what belongs to one address space: satp was written, or sfence.vma named an ASID. Only one address space
    /// is remembered, so its number does not matter; what the supervisor's set holds of global pages stays. False when
    /// that set had others, and had to go too.
    /// </summary>
    public bool FlushAddressSpace()
    {
        if (_supervisorIsLocal)
        {
            FlushTranslated();
            return false;
        }

        FlushSet(0);
        FlushSet(SetSumIndex);
        _walker.SawLargeLow = false;
        return true;
    }

    /// <summary>
    /// Makes every key of the jump cache that was given out for user mode, or for all modes, one that is never asked
    /// for. False when the numbers have come round: then the caller must clear the cache.
    /// </summary>
    public bool RenewKeys(bool all)
    {
        _generation = _generation + 1 & GenerationMask;
        bool cameRound = _generation == 0;
        _userGeneration = _generation;
        _systemGeneration = all || cameRound ? _generation : _systemGeneration;
        _context->ModeKey = KeyOf(_context->Privilege);
        return !cameRound;
    }

    /// <summary>sfence.vma for one address. False when everything had to go.</summary>
    public bool FlushPage(ulong address)
    {
        if (address >> 63 == 0 ? _walker.SawLargeLow : _walker.SawLargeHigh)
        {
            // The address may lie anywhere in a page of which many pieces were entered.
            FlushTranslated();
            return false;
        }

        ulong tag = address & ~PageMask;
        for (int array = 0; array < 3 * 3; array++)
        {
            TlbEntry* entry = Probe(Entries + array * EntryCount, address);
            if (entry->Tag == tag)
            {
                entry->Tag = TlbEntry.InvalidTag;
            }
        }

        return true;
    }

    /// <summary>Takes away every write permission: the next store to a page passes the RAM's gate. At a checkpoint the
    /// guest stands still meanwhile, and the arrays have left the processor's cache, so only what was filled is
    /// touched.</summary>
    public void FlushWrites()
    {
        for (int set = 0; set < SetCount; set++)
        {
            TlbEntry* entries = Entries + set * 3 * EntryCount;
            if (_fillCounts[set] > FillsMax)
            {
                FlushArray(entries + EntryCount);
                continue;
            }

            int kept = 0;
            foreach (ushort index in _fills[set].AsSpan(0, _fillCounts[set]))
            {
                if (index / EntryCount == 1)
                {
                    entries[index].Tag = TlbEntry.InvalidTag;
                }
                else
                {
                    _fills[set][kept++] = index;
                }
            }

            _fillCounts[set] = kept;
        }
    }

    /// <summary>Whether a write entry leads to a page of RAM. Any thread.</summary>
    public bool HoldsWriteTo(byte* hostPage)
    {
        for (int set = 0; set < SetCount; set++)
        {
            TlbEntry* array = Entries + (set * 3 + 1) * EntryCount;
            for (int i = 0; i < EntryCount; i++)
            {
                ulong tag = Volatile.Read(ref array[i].Tag);
                if ((tag & PageMask) == 0 && tag + array[i].Addend == (ulong)hostPage)
                {
                    return true;
                }
            }
        }

        return false;
    }

    /// <summary>Takes away every write permission that leads to a page of RAM: it holds code from now on.</summary>
    public void FlushWritesTo(byte* hostPage)
    {
        for (int set = 0; set < SetCount; set++)
        {
            TlbEntry* array = Entries + (set * 3 + 1) * EntryCount;
            for (int i = 0; i < EntryCount; i++)
            {
                if (array[i].Tag + array[i].Addend == (ulong)hostPage)
                {
                    array[i].Tag = TlbEntry.InvalidTag;
                }
            }
        }
    }

    /// <summary>Host address of the page that an instruction is fetched from, or null after a fault.</summary>
    public byte* FetchPage(ulong address)
    {
        ulong tag = address & ~PageMask;
        TlbEntry* entry = Probe(_fetch, address);
        FetchIsPartial = false;
        return entry->Tag == tag ? (byte*)(tag + entry->Addend) : FillFetch(address, entry);
    }

    public bool Load(ulong address, int size, out ulong value)
    {
        if ((address & PageMask) + (ulong)size <= GuestRam.PageSize)
        {
            return LoadWithinPage(address, size, out value);
        }

        value = 0;
        for (int i = 0; i < size; i++)
        {
            if (!LoadWithinPage(address + (ulong)i, 1, out ulong part))
            {
                return false;
            }

            value |= part << (8 * i);
        }

        return true;
    }

    public bool Store(ulong address, int size, ulong value)
    {
        if ((address & PageMask) + (ulong)size <= GuestRam.PageSize)
        {
            return StoreWithinPage(address, size, value);
        }

        // Both pages must be writable before the first byte changes, or the store could be seen half done.
        byte* first = WritePointer(address, 1);
        byte* second = first == null ? null : WritePointer((address + (ulong)size - 1) & ~PageMask, 1);
        if (second == null)
        {
            return false;
        }

        for (int i = 0; i < size; i++)
        {
            _ = StoreWithinPage(address + (ulong)i, 1, value >> (8 * i));
        }

        return true;
    }

    /// <summary>
    /// Host address for an atomic access or one byte of a crossing store, with write permission; null after a fault.
    /// Memory-mapped devices give an access fault.
    /// </summary>
    public byte* WritePointer(ulong address, int size)
    {
        TlbEntry* entry = Probe(_context->WriteTlb, address);
        if (entry->Tag == (address & ~PageMask))
        {
            return (byte*)(address + entry->Addend);
        }

        if (!Resolve(address, size, AccessKind.Write, out ulong physical, out bool wholePage))
        {
            return null;
        }

        if (!_ram.Covers(physical, size))
        {
            Fault(TrapCause.StoreAccess, address);
            return null;
        }

        return GrantWrite(address, size, physical, wholePage, entry);
    }

    /// <summary>Translates for an access by the present mode; used by LR too, which needs the physical
    /// address.</summary>
    public bool Resolve(ulong address, int size, AccessKind kind, out ulong physical, out bool wholePage)
    {
        PrivilegeMode mode = kind == AccessKind.Fetch ? _context->Privilege : _dataMode;
        wholePage = false;
        ulong cause = _walker.Translate(address, kind, mode, out physical);
        if (cause == PageWalker.Success && !Pmp.Allows(physical, size, kind, mode, out wholePage))
        {
            cause = TrapCause.Access(kind);
        }

        if (cause == PageWalker.Success)
        {
            return true;
        }

        Fault(cause, address);
        return false;
    }

    private static int SetOf(PrivilegeMode mode) => (int)mode;

    /// <summary>Bits 48 to 61 of an address that can be fetched from repeat bit 47, so they can carry a
    /// number.</summary>
    private ulong KeyOf(PrivilegeMode mode) => mode switch
    {
        PrivilegeMode.User => _userGeneration << GenerationShift,
        PrivilegeMode.Supervisor => _systemGeneration << GenerationShift | 1,
        _ => _systemGeneration << GenerationShift | 1UL << 62,
    };

    private static void FlushArray(TlbEntry* array)
    {
        for (int i = 0; i < EntryCount; i++)
        {
            array[i].Tag = TlbEntry.InvalidTag;
        }
    }

    private void FlushSet(int set)
    {
        TlbEntry* entries = Entries + set * 3 * EntryCount;
        int count = _fillCounts[set];
        if (count > FillsMax)
        {
            FlushArray(entries);
            FlushArray(entries + EntryCount);
            FlushArray(entries + 2 * EntryCount);
        }
        else
        {
            foreach (ushort index in _fills[set].AsSpan(0, count))
            {
                entries[index].Tag = TlbEntry.InvalidTag;
            }
        }

        _fillCounts[set] = 0;
    }

    private bool LoadWithinPage(ulong address, int size, out ulong value)
    {
        TlbEntry* entry = Probe(_context->ReadTlb, address);
        if (entry->Tag == (address & ~PageMask))
        {
            value = ReadHost((byte*)(address + entry->Addend), size);
            return true;
        }

        value = 0;
        if (!Resolve(address, size, AccessKind.Read, out ulong physical, out bool wholePage))
        {
            return false;
        }

        if (_ram.Covers(physical, size))
        {
            byte* host = _ram.Host + (physical - _ram.BaseAddress);
            if (wholePage)
            {
                Install(entry, address, host);
            }

            value = ReadHost(host, size);
            return true;
        }

        if ((physical & (ulong)(size - 1)) == 0 && _bus.TryRead(physical, size, out value))
        {
            return true;
        }

        Fault(TrapCause.LoadAccess, address);
        return false;
    }

    private bool StoreWithinPage(ulong address, int size, ulong value)
    {
        TlbEntry* entry = Probe(_context->WriteTlb, address);
        if (entry->Tag == (address & ~PageMask))
        {
            WriteHost((byte*)(address + entry->Addend), size, value);
            return true;
        }

        if (!Resolve(address, size, AccessKind.Write, out ulong physical, out bool wholePage))
        {
            return false;
        }

        if (_ram.Covers(physical, size))
        {
            WriteHost(GrantWrite(address, size, physical, wholePage, entry), size, value);
            return true;
        }

        if ((physical & (ulong)(size - 1)) == 0 && _bus.TryWrite(physical, size, Truncate(value, size)))
        {
            return true;
        }

        Fault(TrapCause.StoreAccess, address);
        return false;
    }

    private byte* GrantWrite(ulong address, int size, ulong physical, bool wholePage, TlbEntry* entry)
    {
        ulong offset = physical - _ram.BaseAddress;
        int page = (int)(offset >> GuestRam.PageShift);
        byte* host = _ram.Host + offset;
        while (true)
        {
            _ram.PrepareWrite(page);
            bool keepSlow = _ram.IsCodePage(page)
                && StoreToCodePage is not null
                && StoreToCodePage(page, (int)(offset & PageMask), size);
            if (!wholePage || keepSlow)
            {
                return host;
            }

            Install(entry, address, host);
            if (!_ram.HasOtherClients)
            {
                return host;
            }

            // Another hart may be about to decode the page: either it finds this entry and waits for us, or we see its
            // mark.
            Interlocked.MemoryBarrier();
            if (!_ram.IsCodePage(page))
            {
                return host;
            }

            entry->Tag = TlbEntry.InvalidTag;
        }
    }

    private byte* FillFetch(ulong address, TlbEntry* entry)
    {
        if (!Resolve(address, 2, AccessKind.Fetch, out ulong physical, out bool wholePage))
        {
            return null;
        }

        if (!_ram.Covers(physical & ~PageMask, GuestRam.PageSize))
        {
            Fault(TrapCause.InstructionAccess, address);
            return null;
        }

        byte* host = _ram.Host + ((physical & ~PageMask) - _ram.BaseAddress);
        FetchIsPartial = !wholePage;
        if (wholePage)
        {
            Install(entry, address & ~PageMask, host);
        }

        return host;
    }

    private void Install(TlbEntry* entry, ulong address, byte* host)
    {
        int index = (int)(entry - Entries);
        int set = index / (3 * EntryCount);
        if (entry->Tag == TlbEntry.InvalidTag && _fillCounts[set] <= FillsMax)
        {
            int count = _fillCounts[set]++;
            if (count < FillsMax)
            {
                _fills[set][count] = (ushort)(index - set * 3 * EntryCount);
            }
        }

        // In this order for HoldsWriteTo, which reads tag and addend while another thread is here.
        entry->Tag = TlbEntry.InvalidTag;
        entry->Addend = (ulong)host - address;
        Volatile.Write(ref entry->Tag, address & ~PageMask);
        _supervisorIsLocal |= set == (int)PrivilegeMode.Supervisor && !_walker.IsGlobal;
    }

    private void Fault(ulong cause, ulong address)
    {
        FaultCause = cause;
        FaultValue = address;
    }

    private static ulong ReadHost(byte* host, int size) => size switch
    {
        1 => *host,
        2 => *(ushort*)host,
        4 => *(uint*)host,
        _ => *(ulong*)host,
    };

    private static void WriteHost(byte* host, int size, ulong value)
    {
        switch (size)
        {
            case 1: *host = (byte)value; break;
            case 2: *(ushort*)host = (ushort)value; break;
            case 4: *(uint*)host = (uint)value; break;
            default: *(ulong*)host = value; break;
        }
    }

    private static ulong Truncate(ulong value, int size) => size == 8 ? value : value & ((1UL << (8 * size)) - 1);
}
