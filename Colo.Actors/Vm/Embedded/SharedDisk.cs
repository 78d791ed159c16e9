using System.Security.Cryptography;
using Colo.Actors.Disk;
using Colo.Vmm.Block;

namespace Colo.Actors.Vm.Embedded;

/// <summary>
/// One disk that both hosts open, on this host, in each of its roles:
/// <code>
/// owner:      guest -> SharedStorageDevice -> disk; in a pair the secondary first gets what a change overwrites
/// secondary:  guest -> DiskBuffer (generations) over the disk, which the primary's writes change
/// takeover:   the guest's changes wait while the buffer is merged into the disk; then the owner's way
/// exchange:   the buffer is empty then and ends; nothing is copied, there is one disk
/// </code>
/// There is no second copy that could be stale, so a crash of either host leaves the other's last writes; only a merge
/// that was cut short must be completed, by the host that began it, before anybody starts a guest. That waits until
/// this host is the owner again (<see cref="Own"/>): as long as it is not, the other may be using the disk.
/// </summary>
internal sealed class SharedDisk : IPairedDisk
{
    private const int IdentityBytes = 16;

    private readonly ReplicatedDiskOptions options;
    private readonly Action<string> log;
    private readonly SharedFile image;
    private readonly RawFileDevice local;
    private readonly SharedStorageDevice shared;
    private readonly RoleDevice device;
    private readonly TimeProvider time;
    private readonly SecondaryBuffer secondary;
    private readonly Lock merging = new();
    private DiskLinkSender? link;
    private bool promoted;

    public SharedDisk(
        ReplicatedDiskOptions options, Action<int> level, Action<bool> failed, Action<string> log, TimeProvider time)
    {
        this.options = options;
        this.log = log;
        this.time = time;
        image = new SharedFile(options.ImagePath);
        local = new RawFileDevice(image);
        shared = new SharedStorageDevice(local, time);
        device = new RoleDevice(shared);
        secondary = new SecondaryBuffer(options, NewBuffer, device, level, failed, log, time);
    }

    public IBlockDevice Device => device;

    public long CopyBytes => 0;

    public long LagBytes => link is { IsLost: false } sender ? sender.LagBytes : 0;

    public long BufferBytes => secondary.UsedBytes;

    public DiskResyncProgress Copied => default;

    private string IdentityPath => options.ImagePath + ".colo";

    public string? Own()
    {
        if (secondary.IsInUse)
        {
            // A takeover brought the VM here. Who began to merge before has waited for the former primary.
            BlockStatus status = Merge(secondary.ToMerge is { Stage: DiskBufferStage.Running }
                ? SharedStorageDevice.TakeOverDelay : TimeSpan.Zero);
            return status == BlockStatus.Ok ? null
                : $"{options.ImagePath}: the merge of the takeover's disk buffer {options.BufferPath} fails: {status}";
        }

        image.MayCache = true;
        using var file = new OsFile(options.BufferPath, FileMode.OpenOrCreate);
        if (DiskBufferRecovery.Inspect(file) == DiskBufferState.Merging)
        {
            BlockStatus merged = DiskBufferRecovery.CompleteMerge(image, file);
            log($"{options.ImagePath}: the merge of a takeover that was cut short: {merged}");
            if (merged != BlockStatus.Ok)
            {
                return $"{options.ImagePath} has a part of a takeover that was cut short, and its journal "
                    + $"{options.BufferPath} cannot complete it: {merged}";
            }
        }

        shared.Reset();
        BlockStatus kept = DiskBufferRecovery.KeepAsIs(file);
        return kept == BlockStatus.Ok ? null : $"{options.BufferPath}: {kept}";
    }

    public bool Connect(Stream stream, ulong term, ulong epoch, Action lost)
    {
        var sender = new DiskLinkSender(stream, options.Link, term, epoch, local.SizeBytes);
        link = sender;
        shared.PeerLost = _ => lost();
        bool equal = promoted;
        promoted = false;
        if (!equal && !IsSameDisk(sender))
        {
            sender.Dispose();
            return false;
        }

        shared.Attach(sender, paired: equal);
        return true;
    }

    /// <summary>Changes that wait go on waiting: only the arbiter's word lets this host write alone.</summary>
    public void StopExpecting() => promoted = false;

    public Task<BlockStatus> CopyAsync(
        DiskCopyPlan plan, Action<DiskResyncProgress> progress, CancellationToken cancellation) =>
        Task.FromResult(BlockStatus.Ok);

    public Task<DiskVerifyResult>? VerifyAsync(Action<long> progress, CancellationToken cancellation) => null;

    public void CompletePair()
    {
        // The first barrier has begun it.
    }

    public void Detach(string reason) => shared.ResumeSolo();

    public void Barrier(ulong epoch) => _ = shared.BarrierAsync(epoch).AsTask();

    public void Receive(Stream stream, ulong term, Action<ulong> barrier, Action lost) => secondary.Receive(
        target => new DiskLinkReceiver(stream, target, term, shared: true)
        {
            BarrierArrived = barrier, Identity = ReadIdentity,
        },
        lost);

    public string? Checkpoint(ulong epoch) => secondary.Checkpoint(epoch);

    public BlockStatus TakeOver() => Merge(SharedStorageDevice.TakeOverDelay);

    public string? Promote(ulong term)
    {
        shared.Expect();
        promoted = true;
        BlockStatus status = Merge(TimeSpan.Zero); // the former primary's guest stands
        return status == BlockStatus.Ok ? null : $"{options.ImagePath}: the exchange of roles: {status}";
    }

    public string? StepBack(ulong term, ulong epoch)
    {
        shared.LetGo();
        BlockStatus status = secondary.StartAnew(image, term, epoch);
        return status == BlockStatus.Ok ? null : $"{options.ImagePath}: could not become the secondary's: {status}";
    }

    public void Abandon() => shared.Fence();

    public void Idle()
    {
        secondary.Idle();
        promoted = false;
        device.Current = shared;
    }

    public void Dispose()
    {
        shared.Fence();
        link?.Dispose();
        secondary.Dispose();
        local.Dispose();
    }

    /// <summary>
    /// The guest goes on at once, but what it changes waits: until the former primary has surely stopped writing, and
    /// until the journal of the merge is complete. Before that the disk has the former primary's history and nothing
    /// else, so a crash of this host leaves a disk that a guest can be started from.
    /// </summary>
    private BlockStatus Merge(TimeSpan delay)
    {
        // A boot does not wait for the takeover's own thread, but for its merge.
        lock (merging)
        {
            return MergeLocked(delay);
        }
    }

    private BlockStatus MergeLocked(TimeSpan delay)
    {
        if (secondary.ToMerge is not { } taken)
        {
            return BlockStatus.Ok; // an owner already
        }

        var gate = new HeldDevice(new DiskBufferDevice(taken));
        device.Current = gate;
        BlockStatus status = taken.Failover(taken.LoadedEpoch);
        if (delay > TimeSpan.Zero)
        {
            using var over = new ManualResetEventSlim();
            using ITimer timer = time.CreateTimer(
                static state => ((ManualResetEventSlim)state!).Set(), over, delay, Timeout.InfiniteTimeSpan);
            over.Wait();
        }

        status = status == BlockStatus.Ok ? taken.Merge() : status;
        if (status == BlockStatus.Ok)
        {
            image.MayCache = true;
            device.Current = shared;
        }

        gate.Release(status == BlockStatus.Ok ? shared : null);
        return status;
    }

    private DiskBuffer NewBuffer()
    {
        using (var file = new OsFile(options.BufferPath, FileMode.OpenOrCreate))
        {
            _ = DiskBufferRecovery.Abandon(file);
        }

        image.MayCache = false;
        shared.Reset();
        return new DiskBuffer(
            new SharedFile(options.ImagePath),
            new OsFile(options.BufferPath, FileMode.OpenOrCreate),
            new DiskBufferOptions
            {
                MemoryBytes = options.BufferMemoryBytes, CapacityBytes = options.BufferLimitBytes,
                PressureReached = secondary.Press,
            });
    }

    /// <summary>
    /// Two images of one size at one path are not one disk. The owner leaves a random word in a file beside the image,
    /// and the joiner must read it there. A block device has no such place: there the word of the definition has to do.
    /// </summary>
    private bool IsSameDisk(DiskLinkSender sender)
    {
        byte[] expected = new byte[IdentityBytes];
        if (!options.ImagePath.StartsWith("/dev/", StringComparison.Ordinal))
        {
            RandomNumberGenerator.Fill(expected);
            try
            {
                using var file = new OsFile(IdentityPath, FileMode.OpenOrCreate, writeThrough: true);
                _ = file.Write(0, expected);
            }
            catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
            {
                log($"{IdentityPath} could not be written: {problem.Message}");
                return false;
            }
        }

        byte[] seen = new byte[IdentityBytes + 1];
        long part = Math.Min(DirtyBitmap.Granularity, local.SizeBytes);
        if (!sender.AskStateAsync(0, part, seen).AsTask().GetAwaiter().GetResult())
        {
            log($"{options.ImagePath}: the joiner could not be asked for it: {sender.LossReason}");
            return false;
        }

        bool same = seen.AsSpan(0, IdentityBytes).SequenceEqual(expected);
        if (!same)
        {
            log($"{options.ImagePath}: the joiner has another disk there, expected the same file on both hosts "
                + "(disk mode shared)");
        }

        return same;
    }

    private byte[] ReadIdentity()
    {
        byte[] seen = new byte[IdentityBytes];
        try
        {
            if (File.Exists(IdentityPath))
            {
                using var file = new OsFile(IdentityPath, FileMode.Open, readOnly: true);
                file.ForgetCached(0, 0);
                _ = file.Read(0, seen);
            }
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            log($"{IdentityPath} could not be read: {problem.Message}");
        }

        return seen;
    }
}
