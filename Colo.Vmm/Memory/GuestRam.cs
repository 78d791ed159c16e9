using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Colo.Vmm.Memory;

/// <summary>
/// The guest's RAM: one page-aligned block outside the managed heap, committed lazily by the host, with a dirty log
/// (one bit a page) and copy-on-write captures.
///
/// Every writer passes the same gate before it changes a page: the hart when it fills a write entry of its TLB (so
/// that the price is paid by the first store to a page after a swap, not by every store), the page walker when it sets
/// A and D bits, devices and loaders in <see cref="TryWrite"/> and <see cref="TryGetWriteSpan"/>. The gate lets the
/// captures save the old content first, then marks the page dirty.
/// Addresses are guest-physical. Sources: design, section 7.
/// </summary>
public sealed unsafe class GuestRam : IDisposable
{
    public const int PageSize = 4096;
    internal const int PageShift = 12;

    private const byte HoldsNone = 0;
    private const byte HoldsCode = 1;
    private const byte Revoking = 2;

    private static readonly CaptureTables s_noTables = new(0);

    private readonly Lock _captureLock = new();
    private byte* _host;
    private byte* _codePages;
    private DirtyPages _dirty;
    private DirtyPages? _spareDirty;
    private CaptureTables? _spareTables;
    private DirtyPages? _nothing;
    private volatile PageCapture[] _captures = [];
    private volatile IRamClient[] _clients = [];

    /// <param name="baseAddress">Guest-physical address of the first byte; a multiple of 4096.</param>
    /// <param name="sizeBytes">Size, a multiple of 4096, greater than 0, at most 1 TiB.</param>
    public GuestRam(ulong baseAddress, ulong sizeBytes)
    {
        if ((baseAddress | sizeBytes) % PageSize != 0 || sizeBytes == 0 || sizeBytes > 1UL << 40)
        {
            throw new ArgumentOutOfRangeException(
                nameof(sizeBytes),
                $"Guest RAM at 0x{baseAddress:x} of 0x{sizeBytes:x} bytes: expected multiples of {PageSize}, size 1 page to 1 TiB.");
        }

        BaseAddress = baseAddress;
        SizeBytes = sizeBytes;
        PageCount = (int)(sizeBytes >> PageShift);
        _host = HostPages.Allocate((nuint)sizeBytes);
        _codePages = (byte*)NativeMemory.AllocZeroed((nuint)PageCount);
        _dirty = new DirtyPages(PageCount);
        SavedPages = new SavedPagePool(PageCount);
    }

    ~GuestRam() => Free();

    public ulong BaseAddress { get; }

    public ulong SizeBytes { get; }

    public int PageCount { get; }

    internal byte* Host => _host;

    internal SavedPagePool SavedPages { get; }

    /// <summary>Whether more than one hart caches code of this RAM.</summary>
    internal bool HasOtherClients => _clients.Length > 1;

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    /// <summary>Copies bytes out of RAM. False, and nothing copied, when any byte lies outside RAM.</summary>
    public bool TryRead(ulong address, Span<byte> destination)
    {
        if (!Covers(address, destination.Length))
        {
            return false;
        }

        new ReadOnlySpan<byte>(_host + (address - BaseAddress), destination.Length).CopyTo(destination);
        return true;
    }

    /// <summary>Copies bytes into RAM through the gate. False, and nothing written, when any byte lies outside
    /// RAM.</summary>
    public bool TryWrite(ulong address, ReadOnlySpan<byte> source)
    {
        if (!TryGetWriteSpan(address, source.Length, out Span<byte> span))
        {
            return false;
        }

        source.CopyTo(span);
        return true;
    }

    /// <summary>A view of RAM to read from; the guest may change it under the reader.</summary>
    public bool TryGetReadSpan(ulong address, int length, out ReadOnlySpan<byte> span)
    {
        if (!Covers(address, length))
        {
            span = default;
            return false;
        }

        span = new ReadOnlySpan<byte>(_host + (address - BaseAddress), length);
        return true;
    }

    /// <summary>
    /// A view of RAM to write to; all its pages have passed the gate when the call returns. Use it at once: the
    /// permission ends when the machine is next paused.
    /// </summary>
    public bool TryGetWriteSpan(ulong address, int length, out Span<byte> span)
    {
        if (!Covers(address, length))
        {
            span = default;
            return false;
        }

        ulong offset = address - BaseAddress;
        if (length > 0)
        {
            int last = (int)((offset + (ulong)length - 1) >> PageShift);
            for (int page = (int)(offset >> PageShift); page <= last; page++)
            {
                PrepareWrite(page);
                DropCode(page);
            }
        }

        span = new Span<byte>(_host + offset, length);
        return true;
    }

    public bool TryReadUInt16(ulong address, out ushort value) => TryReadValue(address, out value);

    public bool TryReadUInt32(ulong address, out uint value) => TryReadValue(address, out value);

    public bool TryReadUInt64(ulong address, out ulong value) => TryReadValue(address, out value);

    public bool TryWriteUInt16(ulong address, ushort value) => TryWriteValue(address, value);

    public bool TryWriteUInt32(ulong address, uint value) => TryWriteValue(address, value);

    public bool TryWriteUInt64(ulong address, ulong value) => TryWriteValue(address, value);

    /// <summary>The current content of a page. Stable only while the machine is paused.</summary>
    public ReadOnlySpan<byte> ReadPage(int pageIndex)
    {
        RequirePage(pageIndex);
        return new ReadOnlySpan<byte>(HostPage(pageIndex), PageSize);
    }

    /// <summary>
    /// Replaces a page's content while the machine is paused, for restoring: neither the dirty log nor the captures
    /// see it. Code decoded from the page is dropped.
    /// </summary>
    public void LoadPage(int pageIndex, ReadOnlySpan<byte> content)
    {
        RequirePage(pageIndex);
        ArgumentOutOfRangeException.ThrowIfNotEqual(content.Length, PageSize);
        content.CopyTo(new Span<byte>(HostPage(pageIndex), PageSize));
        DropCode(pageIndex);
    }

    /// <summary>
    /// The pages written since the last swap; the log starts empty again. The machine is paused and no device is
    /// writing. Costs one bitmap and a flush of the harts' write entries, whatever the size of the dirty set.
    /// </summary>
    public DirtyPages SwapDirty()
    {
        DirtyPages written = _dirty;
        _dirty = Interlocked.Exchange(ref _spareDirty, null) ?? new DirtyPages(PageCount);
        FlushWriteTlbs();
        return written;
    }

    /// <summary>Gives a set from <see cref="SwapDirty"/> back, to be cleared and used again. Any thread.</summary>
    internal void ReturnDirty(DirtyPages pages)
    {
        pages.Clear();
        Volatile.Write(ref _spareDirty, pages);
    }

    /// <summary>
    /// Keeps a capture's tables for the next one. A writer that was inside the gate when the capture ended may still
    /// touch them; none is left once the machine is paused, and only then does a capture begin and renew them.
    /// </summary>
    internal void ReturnTables(CaptureTables tables) => Volatile.Write(ref _spareTables, tables);

    /// <summary>
    /// Brings what <see cref="SwapDirty"/> and <see cref="BeginCapture"/> will use into the processor's cache, from
    /// which the sending of the last checkpoint has driven it. Called while the guest still runs, so that its pause
    /// does not wait for memory; by one thread at a time. Changes nothing.
    /// </summary>
    internal void WarmForCapture()
    {
        _ = Volatile.Read(ref _spareTables)?.States.Length;
        _ = Volatile.Read(ref _spareDirty)?.PageCount;
        // A capture of no page: code and allocator are as cold as the tables.
        _nothing ??= new DirtyPages(PageCount);
        PageCapture rehearsal = new(this, _nothing, s_noTables);
        Register(rehearsal);
        Detach(rehearsal);
    }

    /// <summary>Adds a page to the dirty log without a write, for example because its content was loaded from
    /// elsewhere.</summary>
    public void MarkDirty(int pageIndex)
    {
        RequirePage(pageIndex);
        _dirty.Mark(pageIndex);
    }

    /// <summary>
    /// Starts a capture of the given pages: each keeps its content as of now until it is taken. The machine is paused.
    /// </summary>
    public PageCapture BeginCapture(DirtyPages pages)
    {
        ArgumentNullException.ThrowIfNull(pages);
        ArgumentOutOfRangeException.ThrowIfNotEqual(pages.PageCount, PageCount);
        return Attach(new PageCapture(this, pages, TakeTables()));
    }

    /// <summary>
    /// Starts a capture of all pages: a page costs memory only from its first write on. The machine is paused.
    /// </summary>
    public PageCapture BeginCaptureAll() => Attach(new PageCapture(this, null, TakeTables()));

    /// <summary>Registers a hart to be told of flushes and of writes to code.</summary>
    internal void AddClient(IRamClient client)
    {
        lock (_captureLock)
        {
            _clients = [.. _clients, client];
        }
    }

    internal void RemoveClient(IRamClient client)
    {
        lock (_captureLock)
        {
            _clients = [.. _clients.Where(c => !ReferenceEquals(c, client))];
        }
    }

    /// <summary>The gate. After it returns, the page may be written until the next pause.</summary>
    internal void PrepareWrite(int page)
    {
        foreach (PageCapture capture in _captures)
        {
            capture.BeforeWrite(page);
        }

        _dirty.Mark(page);
    }

    internal byte* HostPage(int page) => _host + ((nuint)(uint)page << PageShift);

    internal bool IsCodePage(int page) => Volatile.Read(ref _codePages[page]) != HoldsNone;

    /// <summary>
    /// From now on a store to the page must come through <see cref="DropCode"/>: no hart may write it directly. Called
    /// by the hart that is about to decode it; another one that does the same waits until no store is under way any
    /// more.
    /// </summary>
    internal void MarkCodePage(int page, IRamClient by)
    {
        ref byte state = ref _codePages[page];
        while (Volatile.Read(ref state) != HoldsCode)
        {
            if (Interlocked.CompareExchange(ref state, Revoking, HoldsNone) == HoldsNone)
            {
                foreach (IRamClient client in _clients)
                {
                    client.RevokeWrite(page, by);
                }

                // A store may have taken the mark away meanwhile.
                _ = Interlocked.CompareExchange(ref state, HoldsCode, Revoking);
            }
            else
            {
                by.ServeOthers();
                Thread.SpinWait(8);
            }
        }
    }

    /// <summary>Tells the harts that code of this page is stale. Cheap when the page holds none.</summary>
    internal void DropCode(int page)
    {
        if (Volatile.Read(ref _codePages[page]) == 0)
        {
            return;
        }

        Interlocked.Exchange(ref _codePages[page], HoldsNone);
        foreach (IRamClient client in _clients)
        {
            client.CodePageWritten(page);
        }
    }

    internal void Detach(PageCapture capture)
    {
        lock (_captureLock)
        {
            _captures = [.. _captures.Where(c => !ReferenceEquals(c, capture))];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool Covers(ulong address, int length)
    {
        ulong offset = address - BaseAddress;
        return offset < SizeBytes && (ulong)length <= SizeBytes - offset;
    }

    private CaptureTables TakeTables() => Interlocked.Exchange(ref _spareTables, null) ?? new CaptureTables(PageCount);

    private PageCapture Attach(PageCapture capture)
    {
        Register(capture);
        FlushWriteTlbs();
        return capture;
    }

    private void Register(PageCapture capture)
    {
        lock (_captureLock)
        {
            _captures = [.. _captures, capture];
        }
    }

    private void FlushWriteTlbs()
    {
        foreach (IRamClient client in _clients)
        {
            client.FlushWriteTlb();
        }
    }

    private bool TryReadValue<T>(ulong address, out T value)
        where T : unmanaged
    {
        if (!Covers(address, sizeof(T)))
        {
            value = default;
            return false;
        }

        value = Unsafe.ReadUnaligned<T>(_host + (address - BaseAddress));
        return true;
    }

    private bool TryWriteValue<T>(ulong address, T value)
        where T : unmanaged
    {
        if (!TryGetWriteSpan(address, sizeof(T), out Span<byte> span))
        {
            return false;
        }

        Unsafe.WriteUnaligned(ref span[0], value);
        return true;
    }

    private void RequirePage(int pageIndex) =>
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)pageIndex, (uint)PageCount, nameof(pageIndex));

    private void Free()
    {
        if (_host != null)
        {
            HostPages.Free(_host, (nuint)SizeBytes);
            NativeMemory.Free(_codePages);
            _host = null;
            _codePages = null;
        }
    }
}
