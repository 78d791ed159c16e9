using Colo.Vmm.Block;

namespace Colo.Actors.Vm.Embedded;

/// <summary>
/// The buffer of a disk on the secondary, whichever way the disk is paired: what the guest writes there goes into it,
/// and the primary's link changes what lies below.
/// </summary>
internal sealed class SecondaryBuffer : IDisposable
{
    private readonly string name;
    private readonly Func<DiskBuffer> create;
    private readonly RoleDevice device;
    private readonly Action<string> log;
    private volatile DiskBuffer? current;
    private bool continues;

    /// <param name="name">The disk's, for messages.</param>
    /// <param name="create">Makes an empty buffer over the disk.</param>
    /// <param name="device">What the guest sees.</param>
    /// <param name="log">Gets a line when a link ends.</param>
    public SecondaryBuffer(string name, Func<DiskBuffer> create, RoleDevice device, Action<string> log)
    {
        this.name = name;
        this.create = create;
        this.device = device;
        this.log = log;
    }

    public long UsedBytes => current?.UsedBytes ?? 0;

    /// <summary>Whether one is in use: a host that is, or is about to be, the owner by a takeover has it too.</summary>
    public bool IsInUse => current is { Stage: not DiskBufferStage.None };

    /// <summary>What a takeover has to merge; null when there is nothing: this host is an owner already.</summary>
    public DiskBuffer? ToMerge =>
        current is { Stage: DiskBufferStage.Running or DiskBufferStage.Failover } taken ? taken : null;

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
            lost();
        })
        { IsBackground = true, Name = "colo disk in" }.Start();
    }

    /// <summary>The guest has the image of this epoch.</summary>
    /// <returns>Null, or what went wrong.</returns>
    public string? Checkpoint(ulong epoch)
    {
        BlockStatus status = current?.Checkpoint(epoch) ?? BlockStatus.NotSupported;
        return status == BlockStatus.Ok ? null : $"disk buffer at epoch {epoch}: {status}, {current?.GetError()}";
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
        device.Current = new DiskBufferDevice(fresh);
        return fresh;
    }
}
