using Colo.Actors.Checkpoint;
using Colo.Actors.Disk;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;
using Colo.Vmm.Block;

namespace Colo.Actors.Vm.Embedded;

/// <summary>The disks of one guest on this host, and what they do in its present role.</summary>
internal sealed class DiskSet : IDisposable
{
    private readonly IReadOnlyList<IBlockDevice> devices;
    private readonly IPairedDisk[] paired;
    private readonly Action<Message> report;
    private readonly Lock gate = new();
    private readonly SortedDictionary<ulong, int> barriers = [];
    private ulong awaited;
    private long copyDone;
    private long copyTotal;

    /// <param name="local">Disks of this host alone, null where one with a link stands; in the guest's
    /// order.</param>
    /// <param name="pairedOptions">Those with a link, in the same order.</param>
    public DiskSet(
        IReadOnlyList<IBlockDevice?> local, IReadOnlyList<ReplicatedDiskOptions> pairedOptions,
        Action<Message> report, Action<string> log, TimeProvider time)
    {
        this.report = report;
        paired = [.. pairedOptions.Select(Open)];
        int next = 0;
        devices = [.. local.Select(device => device ?? paired[next++].Device)];

        IPairedDisk Open(ReplicatedDiskOptions options) => options.Shared
            ? new SharedDisk(options, Filled, Failed, log, time)
            : new ReplicatedDisk(options, Filled, Failed, log, time);

        void Filled(int percent) => report(new DiskBufferLevel(percent));
        void Failed(bool isWrite) => report(new LocalDiskError(isWrite));
    }

    /// <summary>Disks with links of their own, one each: replicated and shared ones.</summary>
    public int PairedCount => paired.Length;

    /// <summary>The devices for the machine.</summary>
    public IReadOnlyList<IBlockDevice> Devices => devices;

    /// <summary>A guest is about to be started from these disks.</summary>
    /// <returns>Null, or why one of them is not worth it.</returns>
    public string? Own() => FirstProblem(disk => disk.Own());

    /// <summary>Owner: the links to the secondary, one for each disk that has one.</summary>
    /// <returns>False when one is lost already.</returns>
    public bool Connect(IReadOnlyList<Stream> links, Term term, ulong epoch, Action lost)
    {
        bool whole = true;
        for (int index = 0; index < paired.Length; index++)
        {
            whole &= paired[index].Connect(links[index], (ulong)term.Value, epoch, lost);
        }

        return whole;
    }

    /// <summary>Owner: links that are not there yet do not come.</summary>
    public void StopExpecting() => Array.ForEach(paired, disk => disk.StopExpecting());

    /// <summary>Secondary to primary, both guests stopped at one image.</summary>
    /// <returns>Null, or what went wrong.</returns>
    public string? Promote(Term term) => FirstProblem(disk => disk.Promote((ulong)term.Value));

    /// <summary>Primary to secondary, both guests stopped at the image of this epoch.</summary>
    /// <returns>Null, or what went wrong.</returns>
    public string? StepBack(Term term, ulong epoch) => FirstProblem(disk => disk.StepBack((ulong)term.Value, epoch));

    /// <summary>Owner: brings the joiner's disks into step; reports progress and the end.</summary>
    public async Task CopyAsync(DiskCopyPlan plan, CancellationToken cancellation)
    {
        long total = paired.Sum(disk => disk.CopyBytes);
        long before = 0;
        foreach (IPairedDisk disk in paired)
        {
            BlockStatus status = plan == DiskCopyPlan.Nothing ? BlockStatus.Ok : await disk.CopyAsync(
                plan, progress => Copied(before + disk.CopyBytes - progress.LeftBytes, total), cancellation)
                .ConfigureAwait(false);
            if (status != BlockStatus.Ok)
            {
                report(new ResyncChannelFailed($"disk: {status}"));
                return;
            }

            before += disk.CopyBytes;
        }

        Copied(total, total);
        long compared = paired.Sum(disk => disk.Copied.ComparedBytes);
        report(new DiskCopyDone(compared, paired.Sum(disk => disk.Copied.SentBytes), total));
    }

    /// <summary>Owner of a pair: compares the disks that each host has one of, while the guest runs.</summary>
    /// <param name="progress">Told of bytes done and of all.</param>
    /// <param name="cancellation">Ends it early.</param>
    public async Task<DiskVerifyReport> VerifyAsync(Action<long, long> progress, CancellationToken cancellation)
    {
        var results = new List<(int, DiskVerifyResult)>();
        long total = paired.Sum(disk => disk.CopyBytes);
        long before = 0;
        foreach (IPairedDisk disk in paired)
        {
            if (disk.VerifyAsync(done => progress(before + done, total), cancellation) is not { } verify)
            {
                continue;
            }

            DiskVerifyResult result = await verify.ConfigureAwait(false);
            int number = devices.ToList().IndexOf(disk.Device);
            results.Add((number, result));
            if (result.Status != BlockStatus.Ok)
            {
                string why = result.Status == BlockStatus.PeerLost
                    ? "there is no secondary to compare with, or the link to it was lost" : $"{result.Status}";
                return new DiskVerifyReport($"disk {number} after {result.ComparedBytes} bytes: {why}", results);
            }

            before += disk.CopyBytes;
        }

        return new DiskVerifyReport(string.Empty, results);
    }

    /// <summary>Owner: the pair is in force.</summary>
    public void CompletePair()
    {
        ForgetCopy();
        Array.ForEach(paired, disk => disk.CompletePair());
    }

    /// <summary>Owner: alone from now on.</summary>
    public void Detach(string reason)
    {
        ForgetCopy();
        Array.ForEach(paired, disk => disk.Detach(reason));
    }

    /// <summary>A capture, the guest stopped: writes from now on belong to <paramref name="epoch"/>.</summary>
    public void Barrier(ulong epoch) => Array.ForEach(paired, disk => disk.Barrier(epoch));

    /// <summary>Secondary: the primary has opened the link of one disk.</summary>
    public void Receive(int index, Stream link, Term term, Action lost)
    {
        if (index < paired.Length)
        {
            paired[index].Receive(link, (ulong)term.Value, OnBarrier, lost);
        }
    }

    /// <summary>Secondary: says when the barrier of this image has come on every link.</summary>
    public void AwaitBarrier(Epoch epoch)
    {
        lock (gate)
        {
            awaited = (ulong)epoch.Value;
        }

        Announce(awaited);
    }

    /// <summary>Secondary: the guest has the image of this epoch.</summary>
    public string? Checkpoint(ulong epoch) => FirstProblem(disk => disk.Checkpoint(epoch));

    /// <summary>Survivor: the disks stand alone when this has reported.</summary>
    public void TakeOver() => new Thread(() =>
    {
        foreach (IPairedDisk disk in paired)
        {
            BlockStatus status = disk.TakeOver();
            if (status != BlockStatus.Ok)
            {
                report(new MachineFailed($"merging the disk buffer: {status}"));
                return;
            }
        }

        report(new DiskMerged());
    })
    { IsBackground = true, Name = "colo disk merge" }.Start();

    /// <summary>The guest is about to be thrown away.</summary>
    public void Abandon() => Array.ForEach(paired, disk => disk.Abandon());

    /// <summary>No guest here any more.</summary>
    public void Idle() => Array.ForEach(paired, disk => disk.Idle());

    public VmGauges AddTo(VmGauges gauges) => gauges with
    {
        DiskLagBytes = paired.Sum(disk => disk.LagBytes),
        DiskBufferBytes = paired.Sum(disk => disk.BufferBytes),
        ResyncDoneBytes = Interlocked.Read(ref copyDone),
        ResyncTotalBytes = Interlocked.Read(ref copyTotal),
    };

    public void Dispose()
    {
        foreach (IBlockDevice device in devices)
        {
            device.Dispose();
        }

        Array.ForEach(paired, disk => disk.Dispose());
    }

    private string? FirstProblem(Func<IPairedDisk, string?> step) =>
        paired.Select(step).FirstOrDefault(problem => problem is not null);

    /// <summary>No copy runs any more.</summary>
    private void ForgetCopy()
    {
        Interlocked.Exchange(ref copyTotal, 0);
        Interlocked.Exchange(ref copyDone, 0);
    }

    private void Copied(long done, long total)
    {
        Interlocked.Exchange(ref copyTotal, total);
        Interlocked.Exchange(ref copyDone, done);
        report(new DiskCopyProgress(done, total));
    }

    private void OnBarrier(ulong epoch)
    {
        lock (gate)
        {
            barriers[epoch] = barriers.GetValueOrDefault(epoch) + 1;
        }

        Announce(epoch);
    }

    private void Announce(ulong epoch)
    {
        lock (gate)
        {
            if (epoch != awaited || barriers.GetValueOrDefault(epoch) < paired.Length)
            {
                return;
            }

            foreach (ulong old in barriers.Keys.Where(key => key <= epoch).ToList())
            {
                barriers.Remove(old);
            }
        }

        report(new DiskBarrierReached(new Epoch((long)epoch)));
    }
}
