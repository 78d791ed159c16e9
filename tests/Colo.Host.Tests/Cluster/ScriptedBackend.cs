using Colo.Actors.Checkpoint;
using Colo.Actors.Disk;
using Colo.Actors.Failover;
using Colo.Actors.Network;
using Colo.Actors.Protocol;
using Colo.Actors.Vm;

namespace Colo.Host.Tests.Cluster;

/// <summary>A machine without a guest: answers every effect at once with what a healthy one would report.</summary>
internal sealed class ScriptedBackend(Action<Message> report, Func<Effect, bool>? carriesOut = null) : IVmBackend
{
    private CheckpointTiming? timing;
    private bool runs;

    public int PowerdownsAsked { get; private set; }

    /// <summary>How a comparison of its disks ends.</summary>
    public DiskVerifyReport Verified { get; set; } = new(string.Empty, []);

    public PacketTap Tap { get; } = new(TimeProvider.System);

    public void Execute(Effect effect)
    {
        if (carriesOut?.Invoke(effect) == false)
        {
            return; // under way for ever
        }

        switch (effect)
        {
            case Effect.BootGuest:
                runs = true;
                report(new GuestBooted(true, string.Empty));
                break;
            case Effect.PauseGuest:
                report(new GuestPaused());
                break;
            case Effect.DiscardGuest:
                runs = false;
                break;
            case Effect.CaptureState capture:
                timing = new CheckpointTiming(
                    capture.Epoch.Value, Ms(1), Ms(2), Ms(3), Ms(4), Ms(5), Pages: 10, Bytes: 40_960);
                report(new StateCaptured(capture.Epoch, 10, 100, Ms(2)));
                break;
            case Effect.SendImage send:
                report(new ImageSent(send.Epoch));
                break;
            case Effect.StageImage stage:
                report(new ImageStaged(stage.Epoch));
                report(new DiskBarrierReached(stage.Epoch));
                break;
            case Effect.LoadImage load:
                runs = true;
                report(new ImageLoaded(load.Epoch));
                break;
            case Effect.CopyDisk:
                report(new DiskCopyDone());
                break;
            case Effect.CopyMemoryRound:
                report(new MemoryRoundDone(10, 0, Ms(1)));
                break;
            case Effect.MergeDiskBuffer:
                report(new DiskMerged());
                break;
            default:
                break; // nothing to report
        }
    }

    public Task<DiskVerifyReport> VerifyDisks(Action<long, long> progress, CancellationToken cancellation)
    {
        progress(1 << 20, 2 << 20);
        return Task.FromResult(Verified);
    }

    public void RequestPowerdown()
    {
        PowerdownsAsked++;
        report(new GuestEnded(GuestEnd.Shutdown));
    }

    public VmGauges Inspect() => new()
    {
        Machine = runs ? "running" : "off",
        Timing = timing,
        LastPause = timing?.Capture ?? TimeSpan.Zero,
        FramesMatched = 7,
        Tier = new VmTierGauges(11, 12, 13, 14, 15, Ms(16), Ms(17), 18, new Dictionary<string, long>()),
    };

    /// <summary>The end of it waits for this.</summary>
    public ManualResetEventSlim MayEnd { get; } = new(initialState: true);

    public ValueTask DisposeAsync()
    {
        MayEnd.Wait();
        return ValueTask.CompletedTask;
    }

    private static TimeSpan Ms(double ms) => TimeSpan.FromMilliseconds(ms);
}
