using Colo.Vmm.Checksums;
using Colo.Vmm.Machine;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Checkpoint.Secondary;

/// <summary>
/// The memory side of the receiver: one lock, stager and counter for each page channel, the pages being collected, and
/// the sealed pages of a committed checkpoint that are not in RAM yet. Page threads hold their own channel's lock;
/// whoever changes what they all see holds every lock.
/// </summary>
internal sealed class CheckpointIntake : IDisposable
{
    private readonly GuestRam _ram;
    private readonly Channel[] _channels;
    private readonly StagingRoom _room;

    // Not a lock's condition: who is woken on the waker's own processor would first stand at the lock that the waker
    // still has, and both would take turns for a tenth of a millisecond.
    private readonly HostEvent _endEvent = new();
    private StagedPages _collecting;
    private StagedPages _spare;
    private StagedPages? _sealed;
    private ulong _inFlight;
    private ulong _committed;
    private ulong _aborted;
    private long _droppedChunks;

    public CheckpointIntake(GuestRam ram, int channels, LinkFeatures features, StagingRoom room)
    {
        _ram = ram;
        _room = room;
        _collecting = new StagedPages(ram.PageCount, _room);
        _spare = new StagedPages(ram.PageCount, _room);
        Image = new CommittedImage(ram);
        _channels = new Channel[channels];
        for (var i = 0; i < channels; i++)
        {
            _channels[i] = new Channel(new PageStager(ram, Image, i, channels, features));
        }
    }

    public CommittedImage Image { get; }

    public StagingRoom Room => _room;

    /// <summary>Bytes of the tables of both sets of staged pages and of the image.</summary>
    public long TableBytes =>
        _collecting.TableBytes + _spare.TableBytes + CaptureTables.Bytes(_ram.PageCount) + _ram.PageCount / 8;

    /// <summary>Chunks of aborted checkpoints that arrived late.</summary>
    public long DroppedChunks => Volatile.Read(ref _droppedChunks);

    /// <summary>The highest epoch that can't be used again.</summary>
    public ulong LastEpoch => Math.Max(_committed, _aborted);

    public int StagedCount => _collecting.Count;

    /// <summary>One frame of a page channel, its checksum not yet looked at; called by that channel's thread
    /// only.</summary>
    public LinkFailure Take(int channel, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        var state = _channels[channel];
        var failure = Take(state, header, payload);
        if (header.Type == FrameType.PagesEnd)
        {
            // Of two that end at the same time at least one must see the other.
            Interlocked.MemoryBarrier();
            if (HaveAllEnded())
            {
                Wake();
            }
        }

        return failure;
    }

    private LinkFailure Take(Channel state, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        lock (state.Gate)
        {
            var epoch = header.Stamp.Epoch;
            var isLate = epoch <= _aborted
                && header.Type is FrameType.PageChunk or FrameType.PagePrecopy or FrameType.PagesEnd;
            var isStaged = !isLate && header.Type is FrameType.PageChunk or FrameType.PagePrecopy;
            if (!isStaged && Crc32C.Compute(payload) != header.PayloadCrc)
            {
                return LinkFailure.BadChecksum;
            }

            if (isLate)
            {
                Interlocked.Increment(ref _droppedChunks);
                return LinkFailure.None;
            }

            switch (header.Type)
            {
                case FrameType.PageChunk when epoch == _inFlight && epoch != 0 && !state.Ended:
                    state.Chunks++;
                    return Stage(state, header, payload, countPages: true);
                // Sent ahead before the request, it may still be behind it: the channels know nothing of each other.
                case FrameType.PagePrecopy when epoch > _committed && !state.Ended:
                    return Stage(state, header, payload, countPages: false);
                case FrameType.PagesEnd when epoch == _inFlight && epoch != 0 && !state.Ended:
                    return End(state, payload);
                default:
                    return LinkFailure.UnexpectedFrame;
            }
        }
    }

    /// <summary>A checkpoint begins: chunks of this epoch count from now on.</summary>
    public void Begin(ulong epoch)
    {
        LockAll();
        _inFlight = epoch;
        foreach (var channel in _channels)
        {
            channel.Reset();
        }

        UnlockAll();
    }

    /// <summary>Waits until every channel has ended the checkpoint; false when <paramref name="isLost"/> says so
    /// first.</summary>
    public bool WaitForEnd(Func<bool> isLost)
    {
        while (!HaveAllEnded())
        {
            if (isLost())
            {
                return false;
            }

            _endEvent.Wait(null);
        }

        return true;
    }

    /// <summary>Wakes <see cref="WaitForEnd"/> to look again.</summary>
    public void Wake() => _endEvent.Set();

    /// <summary>Nobody waits any more and no channel takes anything.</summary>
    public void Dispose()
    {
        Image.Dispose();
        Room.Dispose();
        _endEvent.Dispose();
    }

    /// <summary>Whether everything that the primary says it sent is staged here.</summary>
    public AbortReason Verify(in VmStateSize size)
    {
        LockAll();
        var sent = 0UL;
        foreach (var channel in _channels)
        {
            sent += channel.Pages;
        }

        var reason = AbortReason.None;
        if (_collecting.Overflowed)
        {
            reason = AbortReason.TooManyPages;
        }
        else if (sent != size.PagesSent || (ulong)_collecting.Count != size.PagesStaged
            || _collecting.SetDigest != size.PageSetDigest || !Image.IsRepairedBy(_collecting))
        {
            reason = AbortReason.VerificationFailed;
        }

        UnlockAll();
        return reason;
    }

    /// <summary>The commit: what was collected is the truth now, and what arrives later belongs to the next
    /// checkpoint.</summary>
    public void Seal()
    {
        LockAll();
        _sealed = _collecting;
        _collecting = _spare;
        _committed = _inFlight;
        _inFlight = 0;
        foreach (var channel in _channels)
        {
            channel.Reset();
        }

        UnlockAll();
    }

    /// <summary>
    /// Brings the sealed checkpoint into RAM and loads the devices; repeatable until it has succeeded once. Returns the
    /// number of pages written, or -1 with the devices' error.
    /// </summary>
    public int Apply(ICheckpointMachine machine, ReadOnlySpan<byte> devices, out string? error)
    {
        error = null;
        LockAll();
        try
        {
            if (_sealed is not { } pages)
            {
                return 0;
            }

            var written = Image.Apply(pages);
            error = written < 0 ? "a staged page can't be read from the spill file" : machine.RestoreDevices(devices);
            if (error is not null)
            {
                return -1;
            }

            Image.Begin();
            pages.Clear();
            _spare = pages;
            _sealed = null;
            // Pages that were sent ahead while we were loading have their newer version already.
            var cursor = 0;
            while (_collecting.Members.NextSet(ref cursor, out var page))
            {
                Image.GiveUp(page);
            }

            return written;
        }
        finally
        {
            UnlockAll();
        }
    }

    /// <summary>Throws away what was collected; chunks of this epoch that are still on their way are dropped.</summary>
    public void Abort(ulong epoch)
    {
        LockAll();
        _aborted = Math.Max(_aborted, epoch);
        _inFlight = 0;
        Discard();
        UnlockAll();
    }

    /// <summary>
    /// All memory will come again, with this epoch, and until a checkpoint is committed there is no image. What is
    /// still on its way with a lower epoch is dropped: it could overwrite a page that the primary has found equal
    /// here.
    /// </summary>
    public void StartOver(ulong epoch)
    {
        LockAll();
        _aborted = Math.Max(_aborted, epoch - 1);
        Image.Dispose();
        Discard();
        UnlockAll();
    }

    /// <summary>Reads the pages' hashes while no channel writes.</summary>
    public void HashPages(int firstPage, Span<byte> hashes)
    {
        LockAll();
        for (var i = 0; i < hashes.Length / PageHash.Size; i++)
        {
            PageHash.Compute(_ram.ReadPage(firstPage + i)).Write(hashes[(i * PageHash.Size)..]);
        }

        UnlockAll();
    }

    /// <summary>Moves staged pages to the spill file when the guest's older versions need their memory. Any
    /// thread.</summary>
    public void Relieve()
    {
        if (_room.IsOverMemory)
        {
            LockAll();
            _collecting.Relieve();
            UnlockAll();
        }
    }

    private bool HaveAllEnded() => Array.TrueForAll(_channels, channel => channel.Ended);

    private void Discard()
    {
        Image.NoteLost(_collecting.Members);
        _collecting.Clear();
        foreach (var channel in _channels)
        {
            channel.Reset();
        }
    }

    private LinkFailure Stage(Channel state, in FrameHeader header, ReadOnlySpan<byte> payload, bool countPages)
    {
        var result = state.Stager.Stage(payload, header.PayloadCrc, _collecting, _sealed);
        if (result != StageResult.Staged)
        {
            return result == StageResult.Damaged ? LinkFailure.BadChecksum : LinkFailure.BadPayload;
        }

        state.Pages += countPages ? (ulong)state.Stager.PagesInChunk : 0;
        return LinkFailure.None;
    }

    private LinkFailure End(Channel state, ReadOnlySpan<byte> payload)
    {
        var end = PagesEnd.Read(payload);
        if (end.Pages != state.Pages || end.Chunks != state.Chunks)
        {
            return LinkFailure.BadPayload;
        }

        state.Ended = true;
        return LinkFailure.None;
    }

    private void LockAll()
    {
        foreach (var channel in _channels)
        {
            System.Threading.Monitor.Enter(channel.Gate);
        }
    }

    private void UnlockAll()
    {
        foreach (var channel in _channels)
        {
            System.Threading.Monitor.Exit(channel.Gate);
        }
    }

    private sealed class Channel(PageStager stager)
    {
        private volatile bool _ended;

        public object Gate { get; } = new();

        public PageStager Stager { get; } = stager;

        public ulong Pages { get; set; }

        public ulong Chunks { get; set; }

        public bool Ended
        {
            get => _ended;
            set => _ended = value;
        }

        public void Reset()
        {
            Pages = 0;
            Chunks = 0;
            Ended = false;
        }
    }
}
