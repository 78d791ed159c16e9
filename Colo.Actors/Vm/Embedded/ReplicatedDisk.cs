using Colo.Actors.Disk;
using Colo.Vmm.Block;

namespace Colo.Actors.Vm.Embedded;

/// <summary>Files and bounds of one replicated disk on this host.</summary>
public sealed record ReplicatedDiskOptions(
    string ImagePath, string BitmapPath, string BufferPath, long BufferMemoryBytes, DiskLinkOptions Link, long ResyncBytesPerSecond);

/// <summary>
/// One replicated disk on this host, in each of its roles:
/// <code>
/// owner:      guest -> ForwardingDevice -> image, and to the peer while a link is attached (bitmap otherwise)
/// secondary:  guest -> DiskBuffer (generations) over the image, which the primary's writes change
/// takeover:   the buffer is merged into the image while the guest runs; then the owner's way
/// </code>
/// </summary>
internal sealed class ReplicatedDisk : IDisposable
{
    private readonly ReplicatedDiskOptions options;
    private readonly Action pressure;
    private readonly OsFile image;
    private readonly RawFileDevice local;
    private readonly DirtyBitmap bitmap;
    private readonly ForwardingDevice forwarding;
    private DiskBuffer? buffer;
    private DiskLinkSender? link;

    public ReplicatedDisk(ReplicatedDiskOptions options, Action pressure, Action<string> peerLost)
    {
        this.options = options;
        this.pressure = pressure;
        image = new OsFile(options.ImagePath);
        local = new RawFileDevice(image);
        bitmap = DirtyBitmap.Open(new OsFile(options.BitmapPath, FileMode.OpenOrCreate), local.SizeBytes);
        bitmap.BeginRecording();
        forwarding = new ForwardingDevice(local, bitmap) { PeerLost = peerLost };
        Device = new RoleDevice(forwarding);
    }

    public RoleDevice Device { get; }

    public long SizeBytes => local.SizeBytes;

    public long LagBytes => link is { IsLost: false } sender ? sender.LagBytes : 0;

    public long BufferBytes => buffer?.UsedBytes ?? 0;

    /// <summary>Owner: sends changes over this link from now on.</summary>
    public void Connect(Stream stream, ulong term, ulong epoch)
    {
        link = new DiskLinkSender(stream, options.Link, term, epoch, local.SizeBytes);
        forwarding.Attach(link);
    }

    /// <summary>Owner: makes the joiner's disk equal while the guest runs.</summary>
    public Task<BlockStatus> CopyAsync(DiskCopyPlan plan, Action<DiskResyncProgress> progress, CancellationToken cancellation)
    {
        if (link is not { } sender)
        {
            return Task.FromResult(BlockStatus.PeerLost);
        }

        if (plan != DiskCopyPlan.Bitmaps)
        {
            bitmap.MarkAll();
        }

        var resync = new DiskResyncOptions { BytesPerSecond = options.ResyncBytesPerSecond, Progress = progress };
        return new DiskResync(forwarding, bitmap, sender, resync).RunAsync(cancellation);
    }

    /// <summary>Owner: the pair is in force; both disks get every write.</summary>
    public void CompletePair() => forwarding.CompletePair();

    /// <summary>Owner: the peer is given up.</summary>
    public void Detach(string reason) => forwarding.Detach(reason);

    /// <summary>Owner, guest stopped: what comes now belongs to this epoch.</summary>
    public void Barrier(ulong epoch) => _ = forwarding.BarrierAsync(epoch).AsTask();

    /// <summary>Secondary: takes the primary's writes; the guest sees the buffer.</summary>
    public void Receive(Stream stream, ulong term, Action<ulong> barrier, Action lost)
    {
        var fresh = new DiskBuffer(
            new OsFile(options.ImagePath),
            new OsFile(options.BufferPath, FileMode.OpenOrCreate),
            new DiskBufferOptions { MemoryBytes = options.BufferMemoryBytes, PressureReached = pressure });
        DiskBuffer? old = buffer;
        buffer = fresh;
        old?.Dispose();
        Device.Current = new DiskBufferDevice(fresh);
        var receiver = new DiskLinkReceiver(stream, fresh, term) { BarrierArrived = barrier };
        new Thread(() =>
        {
            BlockStatus prepared = fresh.PrepareTarget(term);
            if (prepared == BlockStatus.Ok)
            {
                receiver.Run();
            }

            lost();
        })
        { IsBackground = true, Name = "colo disk in" }.Start();
    }

    /// <summary>Secondary: the guest has the image of this epoch.</summary>
    /// <returns>Null, or what went wrong.</returns>
    public string? Checkpoint(ulong epoch)
    {
        BlockStatus status = buffer?.Checkpoint(epoch) ?? BlockStatus.NotSupported;
        return status == BlockStatus.Ok ? null : $"disk buffer at epoch {epoch}: {status}, {buffer?.GetError()}";
    }

    /// <summary>Survivor: takes the disk over at this epoch and makes it stand alone; returns when it does.</summary>
    public BlockStatus TakeOver(ulong epoch)
    {
        if (buffer is not { Stage: DiskBufferStage.Running or DiskBufferStage.Failover } taken)
        {
            return BlockStatus.Ok; // an owner already
        }

        // The guest's last image names the generation, whatever higher number the new term begins with.
        BlockStatus status = taken.Failover(taken.LoadedEpoch);
        _ = epoch;
        // The lost primary may hold writes that never came here: nothing of its disk is believed before it is compared.
        bitmap.MarkAll();
        status = status == BlockStatus.Ok ? bitmap.BeginRecording() : status;
        status = status == BlockStatus.Ok ? taken.Merge() : status;
        if (status == BlockStatus.Ok)
        {
            Device.Current = forwarding;
        }

        return status;
    }

    /// <summary>No guest here: the next one starts from the image.</summary>
    public void Idle()
    {
        if (buffer is { Stage: not DiskBufferStage.Failover })
        {
            buffer.Dispose();
            buffer = null;
        }

        Device.Current = forwarding;
    }

    public void Dispose()
    {
        link?.Dispose();
        buffer?.Dispose();
        bitmap.Dispose();
        local.Dispose();
    }
}
