using Colo.Actors.Disk;
using Colo.Vmm.Block;

namespace Colo.Actors.Vm.Embedded;

/// <summary>A disk of one guest on this host that has a link of its own to the other host, in each of its
/// roles.</summary>
internal interface IPairedDisk : IDisposable
{
    /// <summary>What the guest sees.</summary>
    IBlockDevice Device { get; }

    /// <summary>What a joiner has to get at most: nothing of a disk that both hosts open.</summary>
    long CopyBytes { get; }

    long LagBytes { get; }

    long BufferBytes { get; }

    /// <summary>What the last copy compared and sent.</summary>
    DiskResyncProgress Copied { get; }

    /// <summary>A guest is about to be started from this disk.</summary>
    /// <returns>Null, or why the disk is not worth it.</returns>
    string? Own();

    /// <summary>Owner: uses this link from now on.</summary>
    /// <returns>False when the link is lost, or the joiner's disk is not the right one.</returns>
    bool Connect(Stream stream, ulong term, ulong epoch, Action lost);

    /// <summary>Owner: no link will come.</summary>
    void StopExpecting();

    /// <summary>Owner: makes the joiner's disk equal while the guest runs.</summary>
    Task<BlockStatus> CopyAsync(DiskCopyPlan plan, Action<DiskResyncProgress> progress, CancellationToken cancellation);

    /// <summary>Owner: compares the two disks while the guest runs; null where there is one disk for both
    /// hosts.</summary>
    Task<DiskVerifyResult>? VerifyAsync(Action<long> progress, CancellationToken cancellation);

    /// <summary>Owner: the pair is in force.</summary>
    void CompletePair();

    /// <summary>Owner: the peer is given up, this host is alone.</summary>
    void Detach(string reason);

    /// <summary>Owner, guest stopped: what comes now belongs to this epoch.</summary>
    void Barrier(ulong epoch);

    /// <summary>Secondary: the primary has opened the link.</summary>
    void Receive(Stream stream, ulong term, Action<ulong> barrier, Action lost);

    /// <summary>Secondary: the guest has the image of this epoch.</summary>
    /// <returns>Null, or what went wrong.</returns>
    string? Checkpoint(ulong epoch);

    /// <summary>Survivor: takes the disk over and makes it stand alone; returns when it does. The guest's last image
    /// names the generation, whatever higher number the new term begins with.</summary>
    BlockStatus TakeOver();

    /// <summary>Secondary, both guests stopped at one image: becomes the owner of a pair. The guest may run when this
    /// returns null; its changes wait for the link.</summary>
    string? Promote(ulong term);

    /// <summary>Primary, both guests stopped at the image of this epoch: becomes the secondary of a pair. The guest may
    /// run when this returns null; its changes go to a buffer.</summary>
    string? StepBack(ulong term, ulong epoch);

    /// <summary>The guest is thrown away: nothing it has under way may change the disk.</summary>
    void Abandon();

    /// <summary>No guest here: the next one starts from the image.</summary>
    void Idle();
}
