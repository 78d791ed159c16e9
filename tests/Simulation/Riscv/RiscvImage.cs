using Colo.Vmm.Memory;

namespace Colo.Simulation.Riscv;

/// <summary>
/// An image of the real machine: its harts and devices as they stood, and the pages that were written since the image
/// that the peer acknowledged last. The pages are taken part by part while the guest goes on: that is what the
/// copy-on-write capture is for.
/// </summary>
internal sealed class RiscvImage : IGuestImage, IGuestView
{
    private readonly SortedDictionary<int, byte[]> _pages = [];
    private readonly List<int> _numbers = [];
    private readonly List<(long Connection, StreamView Stream)> _streams;
    private readonly List<Frame> _inbox;
    private PageCapture? _capture;

    public RiscvImage(RiscvGuest guest, long epoch, long? basis, DirtyPages pages, byte[] devices)
    {
        (Epoch, Basis, Devices) = (epoch, basis, devices);
        (Dial, Mutant, Digest) = (guest.Dial, guest.Mutant, guest.Digest());
        _streams = [.. guest.Streams];
        _inbox = [.. guest.Inbox];
        for (int cursor = 0; pages.NextSet(ref cursor, out int page);)
        {
            _numbers.Add(page);
        }

        _capture = guest.Ram.BeginCapture(pages);
    }

    public long Epoch { get; }

    /// <summary>The image that this one adds to; null when it stands alone.</summary>
    public long? Basis { get; }

    public byte[] Devices { get; }

    public int Dial { get; }

    public Mutant Mutant { get; }

    public ulong Digest { get; }

    public int PageCount => _numbers.Count;

    public IGuestView View => this;

    public IEnumerable<(long Connection, StreamView Stream)> Streams => _streams;

    public IEnumerable<Frame> Inbox => _inbox;

    public IReadOnlyDictionary<int, byte[]> Pages => _pages;

    public StreamView? Find(long connection) => _streams.Find(item => item.Connection == connection).Stream;

    public void Take(int part, int of) => TakeRange(_numbers.Count * (part - 1) / of, _numbers.Count * part / of);

    /// <summary>What is still to be taken, before the guest goes or is captured anew.</summary>
    public void TakeRest()
    {
        TakeRange(0, _numbers.Count);
        _capture?.Dispose();
        _capture = null;
    }

    public IGuest Load(IGuest? running)
    {
        RiscvGuest? onto = Basis is null ? null : running as RiscvGuest;
        if (Basis is { } basis && (onto is null || onto.Loaded < basis))
        {
            throw new InvariantFailureException("S5", $"image {Epoch} adds to {basis}, here is {onto?.Loaded}");
        }

        onto ??= new RiscvGuest(Dial, Mutant);
        onto.Apply(this);
        return onto;
    }

    private void TakeRange(int first, int end)
    {
        byte[] content = new byte[GuestRam.PageSize];
        for (int i = first; i < end; i++)
        {
            if (_capture?.TryTake(_numbers[i], content) == true)
            {
                _pages[_numbers[i]] = [.. content];
            }
        }
    }
}
