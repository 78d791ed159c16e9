using Colo.Actors.Disk;
using Colo.Vmm.Block;

namespace Colo.Actors.Vm.Embedded;

/// <summary>Files and bounds of one replicated disk on this host.</summary>
public sealed record ReplicatedDiskOptions(
    string ImagePath, string BitmapPath, string BufferPath, long BufferMemoryBytes, DiskLinkOptions Link,
    long ResyncBytesPerSecond)
{
    /// <summary>Both hosts open one disk: nothing is copied, and there is no bitmap.</summary>
    public bool Shared { get; init; }

    /// <summary>What the owner's disk suffers in drills; null: nothing ever, and nothing stands in its way.</summary>
    public DiskFaults? Faults { get; init; }

    /// <summary>Most that the buffer keeps, in memory and in its file.</summary>
    public long BufferLimitBytes { get; init; } = new DiskBufferOptions().CapacityBytes;

    /// <summary>Opens the image, the bitmap and the buffer.</summary>
    public Func<string, FileMode, IStorageFile> Files { get; init; } = (path, mode) => new OsFile(path, mode);

    internal IStorageFile OpenImage() => Files(ImagePath, FileMode.Open);

    internal IStorageFile OpenBuffer() => Files(BufferPath, FileMode.OpenOrCreate);
}

/// <summary>
/// One replicated disk on this host, in each of its roles:
/// <code>
/// owner:      guest -> ForwardingDevice -> image, and to the peer while a link is attached; the bitmap names the rest
/// secondary:  guest -> DiskBuffer (generations) over the image, which the primary's writes change
/// takeover:   the buffer is merged into the image while the guest runs; then the owner's way
/// exchange:   the buffer is empty then and ends; the former owner's guest goes on over a new one, the other's
///             changes wait for the new link, so both disks stay equal without a copy
/// </code>
/// A host that crashed in the middle of a merge completes it when this object is made, before anything else.
/// </summary>
internal sealed class ReplicatedDisk : IPairedDisk
{
    private readonly ReplicatedDiskOptions options;
    private readonly Action<string> log;
    private readonly TimeProvider time;
    private readonly IStorageFile image;
    private readonly IBlockDevice local;
    private readonly DirtyBitmap bitmap;
    private readonly ForwardingDevice forwarding;
    private readonly RoleDevice device;
    private readonly SecondaryBuffer secondary;
    private readonly Lock merging = new();
    private DiskLinkSender? link;
    private DiskResyncProgress copied;
    private bool promoted;
    private int asking;

    /// <param name="level">Told how full the secondary's buffer is: <see cref="SecondaryBuffer"/>.</param>
    /// <param name="failed">Told, at most once a second, that the disk has failed a request of the guest: whether a
    /// write.</param>
    public ReplicatedDisk(
        ReplicatedDiskOptions options, Action<int> level, Action<bool> failed, Action<string> log, TimeProvider time)
    {
        this.options = options;
        this.log = log;
        this.time = time;
        image = options.OpenImage();
        IBlockDevice file = new RawFileDevice(image);
        file = options.Faults is { } faults ? new FaultyDevice(file, faults, time) : file;
        local = new WatchedDevice(file, failed, time);
        bitmap = DirtyBitmap.Open(options.Files(options.BitmapPath, FileMode.OpenOrCreate), local.SizeBytes);
        Recover();
        forwarding = new ForwardingDevice(local, bitmap);
        device = new RoleDevice(forwarding);
        secondary = new SecondaryBuffer(options, NewBuffer, device, level, failed, log, time);
    }

    public IBlockDevice Device => device;

    public long CopyBytes => local.SizeBytes;

    public long LagBytes => link is { IsLost: false } sender ? sender.LagBytes : 0;

    public long BufferBytes => secondary.UsedBytes;

    /// <summary>What the last copy compared and sent.</summary>
    public DiskResyncProgress Copied => copied;

    /// <summary>A guest is about to be started from this disk.</summary>
    /// <returns>Null, or why the disk is not worth it.</returns>
    public string? Own()
    {
        if (secondary.IsInUse)
        {
            // A takeover brought the VM here. Over its buffer a guest's changes would pass by the next joiner's disk.
            BlockStatus merged = TakeOver();
            return merged == BlockStatus.Ok ? null
                : $"{options.ImagePath}: the merge of the takeover's disk buffer {options.BufferPath} fails: {merged}";
        }

        using IStorageFile file = options.OpenBuffer();
        if (!DiskBufferRecovery.IsOneHistory(file, bitmap.IsFollowing))
        {
            return $"{options.ImagePath} is stale: a copy to it, or a takeover over it, was cut short; "
                + "the other host has the disk";
        }

        BlockStatus status = DiskBufferRecovery.KeepAsIs(file);
        status = status != BlockStatus.Ok ? status : bitmap.IsFollowing ? bitmap.Forget() : bitmap.BeginRecording();
        return status == BlockStatus.Ok ? null : $"{options.BitmapPath}: {status}";
    }

    /// <summary>Owner: sends changes over this link from now on. Finds out first what the joiner's disk lacks, unless
    /// the roles were just exchanged and it lacks nothing.</summary>
    /// <returns>False when the link is lost.</returns>
    public bool Connect(Stream stream, ulong term, ulong epoch, Action lost)
    {
        var sender = new DiskLinkSender(stream, options.Link, term, epoch, local.SizeBytes);
        link = sender;
        forwarding.PeerLost = _ => lost();
        bool equal = promoted;
        promoted = false;
        if (!equal && !DiskHandshake.OpenAsync(sender, bitmap, term).GetAwaiter().GetResult())
        {
            log($"{options.ImagePath}: the joiner's disk could not be asked: {sender.LossReason}");
            sender.Dispose();
            return false;
        }

        forwarding.Attach(sender);
        return !equal || forwarding.CompletePair() == BlockStatus.Ok;
    }

    /// <summary>Owner: no link will come; changes are recorded.</summary>
    public void StopExpecting()
    {
        promoted = false;
        if (!forwarding.IsForwarding)
        {
            forwarding.Detach("no link");
        }
    }

    /// <summary>Owner: makes the joiner's disk equal while the guest runs.</summary>
    public async Task<BlockStatus> CopyAsync(
        DiskCopyPlan plan, Action<DiskResyncProgress> progress, CancellationToken cancellation)
    {
        if (link is not { } sender)
        {
            return BlockStatus.PeerLost;
        }

        if (plan != DiskCopyPlan.Bitmaps)
        {
            bitmap.MarkAll();
        }

        copied = default;
        var resync = new DiskResyncOptions
        {
            BytesPerSecond = options.ResyncBytesPerSecond,
            Progress = now =>
            {
                copied = now;
                progress(now);
            },
        };
        return await new DiskResync(forwarding, bitmap, sender, resync).RunAsync(cancellation).ConfigureAwait(false);
    }

    public async Task<DiskVerifyResult> VerifyAsync(Action<long> progress, CancellationToken cancellation)
    {
        if (link is not { IsLost: false } sender || !forwarding.IsForwarding
            || Interlocked.Exchange(ref asking, 1) != 0)
        {
            return new DiskVerifyResult(BlockStatus.PeerLost, 0, 0, -1, 0, 0, 0);
        }

        try
        {
            return await new DiskVerify(forwarding, sender, options.ResyncBytesPerSecond, time)
                .RunAsync(progress, cancellation).ConfigureAwait(false);
        }
        finally
        {
            Volatile.Write(ref asking, 0);
        }
    }

    Task<DiskVerifyResult>? IPairedDisk.VerifyAsync(Action<long> progress, CancellationToken cancellation) =>
        VerifyAsync(progress, cancellation);

    /// <summary>Owner: the pair is in force; both disks get every write. What the copy has left out goes to the peer
    /// now, and until it is there the bitmap goes on recording.</summary>
    public void CompletePair()
    {
        BlockStatus status = forwarding.CompletePair();
        if (status == BlockStatus.NotSupported && link is { } sender)
        {
            log($"{options.ImagePath}: {bitmap.DirtyBytes} bytes were changed behind the copy and are copied now");
            _ = CopyRestAsync(sender);
        }
        else if (status is not (BlockStatus.Ok or BlockStatus.PeerLost))
        {
            log($"{options.BitmapPath}: {status}; it goes on recording");
        }
    }

    /// <summary>Owner: the peer is given up.</summary>
    public void Detach(string reason) => forwarding.Detach(reason);

    /// <summary>Owner, guest stopped: what comes now belongs to this epoch.</summary>
    public void Barrier(ulong epoch) => _ = forwarding.BarrierAsync(epoch).AsTask();

    /// <summary>Secondary: takes the primary's writes; the guest sees the buffer.</summary>
    public void Receive(Stream stream, ulong term, Action<ulong> barrier, Action lost) => secondary.Receive(
        target => new DiskLinkReceiver(stream, target, term, bitmap: bitmap) { BarrierArrived = barrier }, lost);

    /// <summary>Secondary: the guest has the image of this epoch.</summary>
    /// <returns>Null, or what went wrong.</returns>
    public string? Checkpoint(ulong epoch) => secondary.Checkpoint(epoch);

    /// <summary>Survivor: takes the disk over and makes it stand alone; returns when it does. The guest's last image
    /// names the generation, whatever higher number the new term begins with.</summary>
    public BlockStatus TakeOver()
    {
        // A boot does not wait for the takeover's own thread, but for its merge.
        lock (merging)
        {
            if (!secondary.IsInUse)
            {
                return BlockStatus.Ok; // an owner already
            }

            BlockStatus status = BlockStatus.Ok; // merged already, by a flush of the guest's perhaps
            if (secondary.ToMerge is { } taken)
            {
                status = taken.Failover(taken.LoadedEpoch);
                status = status == BlockStatus.Ok ? taken.Merge() : status;
            }

            if (status == BlockStatus.Ok)
            {
                device.Current = forwarding;
            }

            return status;
        }
    }

    /// <summary>Secondary, both guests stopped at one image: becomes the owner of a pair. The guest may run when this
    /// returns null; its changes wait for the link.</summary>
    public string? Promote(ulong term)
    {
        BlockStatus status = TakeOver();
        if (status != BlockStatus.Ok || bitmap.DirtyBytes > 0)
        {
            return $"{options.ImagePath}: the disks are not equal at the exchange of roles: "
                + $"{status}, {bitmap.DirtyBytes} bytes";
        }

        status = bitmap.Adopt(new DiskSession(term, 0));
        forwarding.Expect();
        promoted = true;
        return status == BlockStatus.Ok ? null : $"{options.BitmapPath}: {status}";
    }

    /// <summary>Primary, both guests stopped at the image of this epoch: becomes the secondary of a pair. The guest may
    /// run when this returns null; its changes go to a buffer.</summary>
    public string? StepBack(ulong term, ulong epoch)
    {
        forwarding.LetGo();
        BlockStatus status = secondary.StartAnew(image, term, epoch);
        status = status == BlockStatus.Ok ? bitmap.Follow(new DiskSession(term, 0)) : status;
        return status == BlockStatus.Ok ? null : $"{options.ImagePath}: could not become the secondary's: {status}";
    }

    public void Abandon()
    {
        // Changes never wait for an answer that only the arbiter can give.
    }

    /// <summary>No guest here: the next one starts from the image.</summary>
    public void Idle()
    {
        secondary.Idle();
        StopExpecting();
        device.Current = forwarding;
    }

    public void Dispose()
    {
        link?.Dispose();
        secondary.Dispose();
        bitmap.Dispose();
        local.Dispose();
    }

    private async Task CopyRestAsync(DiskLinkSender sender)
    {
        BlockStatus status = await new DiskResync(forwarding, bitmap, sender, new DiskResyncOptions())
            .RunAsync().ConfigureAwait(false);
        status = status == BlockStatus.Ok ? forwarding.CompletePair() : status;
        if (status != BlockStatus.Ok)
        {
            // A pair whose disks differ must not look like one: the next attempt compares what the bitmap names.
            sender.Abort($"the rest of the copy: {status}");
        }
    }

    private DiskBuffer NewBuffer() => new(
        options.OpenImage(),
        options.OpenBuffer(),
        new DiskBufferOptions
        {
            MemoryBytes = options.BufferMemoryBytes, CapacityBytes = options.BufferLimitBytes,
            PressureReached = secondary.Press, Changes = bitmap,
        });

    /// <summary>Design section 8: a merge that a crash cut short is completed by its journal; where that is damaged,
    /// the disk is stale until it is filled again.</summary>
    private void Recover()
    {
        using IStorageFile file = options.OpenBuffer();
        if (DiskBufferRecovery.Inspect(file) != DiskBufferState.Merging)
        {
            return;
        }

        BlockStatus status = DiskBufferRecovery.CompleteMerge(image, file);
        log($"{options.ImagePath}: the merge of a takeover that was cut short: {status}");
        if (status != BlockStatus.Ok)
        {
            _ = DiskBufferRecovery.MarkStale(image, file);
            _ = bitmap.Forget();
        }
    }
}
