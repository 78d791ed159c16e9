using Colo.Actors.Checkpoint;
using Colo.Actors.Disk;
using Colo.Actors.Protocol;
using Colo.Vmm.Block;

namespace Colo.Actors.Vm.Embedded;

/// <summary>The disks of one guest on this host, and what they do in its present role.</summary>
internal sealed class DiskSet(IReadOnlyList<IBlockDevice> disks, Action<Message> report) : IDisposable
{
    /// <summary>Whether any disk is replicated over a link.</summary>
    public bool HasReplicated => false;

    /// <summary>The devices for the machine.</summary>
    public IReadOnlyList<IBlockDevice> Devices => disks;

    /// <summary>A capture: writes from now on belong to <paramref name="epoch"/>.</summary>
    public void Barrier(ulong epoch) => _ = epoch;

    /// <summary>The staged image waits for the disk's barrier; without replicated disks there is nothing to wait for.</summary>
    public void AwaitBarrier(Epoch epoch) => report(new DiskBarrierReached(epoch));

    public string? Checkpoint(ulong epoch) => epoch == 0 ? "epoch 0" : null;

    public void Connect(Stream link) => _ = link;

    public void Receive(Stream link, Action<Message> reports, Action lost) => _ = (link, reports, lost);

    public void Copy(DiskCopyPlan plan)
    {
        _ = plan;
        report(new DiskCopyDone());
    }

    public void Dispose()
    {
        foreach (IBlockDevice disk in disks)
        {
            disk.Dispose();
        }
    }
}
