using Colo.Actors.Disk;
using Colo.Vmm.Block;

namespace Colo.Actors.Vm.Embedded;

/// <summary>
/// The buffer of a disk on the secondary, whichever way the disk is paired: what the guest writes there goes into it,
/// and the primary's link changes what lies below.
/// </summary>
internal sealed class SecondaryBuffer : IDisposable
{
    private readonly string name;
    private readonly long limitBytes;
    private readonly Func<DiskBuffer> create;
    private readonly RoleDevice device;
    private readonly Action<int> level;
    private readonly Action<bool> failed;
    private readonly Action<string> log;
    private readonly TimeProvider time;
    private volatile DiskBuffer? current;
    private bool continues;
    private int pressed;

    /// <param name="options">The disk's name for messages, and the buffer's bound.</param>
    /// <param name="create">Makes an empty buffer over the disk; it tells <see cref="Press"/> when it fills
    /// up.</param>
    /// <param name="device">What the guest sees.</param>
    /// <param name="level">Told how full the buffer is, in percent of its bound: when it passes the mark, after each
    /// checkpoint since, and 100 when something found no room in it.</param>
    /// <param name="failed">Told, at most once a second, that it has failed a request of the guest for another reason:
    /// whether a write.</param>
    /// <param name="log">Gets a line when a link ends.</param>
    public SecondaryBuffer(
        ReplicatedDiskOptions options, Func<DiskBuffer> create, RoleDevice device, Action<int> level,
        Action<bool> failed, Action<string> log, TimeProvider time)
    {
        name = options.ImagePath;
        limitBytes = options.BufferLimitBytes;
        this.create = create;
        this.device = device;
        this.level = level;
        this.failed = failed;
        this.log = log;
        this.time = time;
    }

    /// <summary>The buffer has passed its mark. Any thread.</summary>
    public void Press()
    {
        Volatile.Write(ref pressed, 1);
        level(UsedPercent);
    }

    public long UsedBytes => current?.UsedBytes ?? 0;

    private int UsedPercent => (int)(UsedBytes * 100 / limitBytes);

    /// <summary>Whether one is in use: a host that is, or is about to be, the owner by a takeover has it
    /// too.</summary>
    public bool IsInUse => current is { Stage: not DiskBufferStage.None };

    /// <summary>What a takeover has to merge, also after an attempt that failed; null when there is nothing: this host
    /// is an owner already.</summary>
    public DiskBuffer? ToMerge => current is
    {
        Stage: DiskBufferStage.Running or DiskBufferStage.Failover or DiskBufferStage.FailoverFailed,
    } taken ? taken : null;

    /// <summary>Takes the primary's writes from this link, on a thread of its own.</summary>
    public void Receive(Func<DiskBuffer, DiskLinkReceiver> receiverOver, Action lost)
    {
        DiskBuffer target = continues && current is { } running ? running : Renew();
        continues = false;
        DiskLinkReceiver receiver = receiverOver(target);
        new Thread(() =>
        {
            receiver.Run();
            log($"{name}: the primary's link ended: {receiver.Failure}");
            if (target.GetError() == DiskBufferError.BufferFull)
            {
                level(100); // says more than a lost link
            }

            lost();
        })
        { IsBackground = true, Name = "colo disk in" }.Start();
    }

    /// <summary>The guest has the image of this epoch.</summary>
    /// <returns>Null, or what went wrong.</returns>
    public string? Checkpoint(ulong epoch)
    {
        BlockStatus status = current?.Checkpoint(epoch) ?? BlockStatus.NotSupported;
        if (status != BlockStatus.Ok)
        {
            return $"disk buffer at epoch {epoch}: {status}, {current?.GetError()}";
        }

        if (Volatile.Read(ref pressed) != 0)
        {
            int used = UsedPercent;
            Volatile.Write(ref pressed, used >= DiskReplicationCore.HighMarkPercent ? 1 : 0);
            level(used);
        }

        return null;
    }

    /// <summary>The guest goes on over a new one, which the next link finds in use.</summary>
    public BlockStatus StartAnew(IStorageFile image, ulong term, ulong epoch)
    {
        DiskBuffer fresh = Renew();
        continues = true;
        BlockStatus status = image.Flush();
        return status == BlockStatus.Ok ? fresh.Start(term, epoch) : status;
    }

    /// <summary>No guest here.</summary>
    public void Idle()
    {
        if (current is { Stage: not DiskBufferStage.Failover } over)
        {
            over.Dispose();
            current = null;
        }

        continues = false;
    }

    public void Dispose() => current?.Dispose();

    /// <summary>A buffer in place of the old one, before the guest's eyes.</summary>
    private DiskBuffer Renew()
    {
        DiskBuffer fresh = create();
        DiskBuffer? old = current;
        current = fresh;
        old?.Dispose();
        device.Current = new WatchedDevice(new DiskBufferDevice(fresh), isWrite => OnFailure(fresh, isWrite), time);
        return fresh;
    }

    private void OnFailure(DiskBuffer buffer, bool isWrite)
    {
        if (isWrite && buffer.UsedBytes >= limitBytes)
        {
            level(100);
        }
        else
        {
            failed(isWrite);
        }
    }
}
