using Colo.Actors.Checkpoint;
using Colo.Actors.Failover;
using Colo.Actors.Links;
using Colo.Actors.Network;
using Colo.Actors.Protocol;
using Colo.Vmm.Links;
using Colo.Vmm.Machine;
using Colo.Vmm.Net;

namespace Colo.Actors.Vm.Embedded;

/// <summary>
/// The embedded machine behind the protocol's effects. It decides nothing: every method carries one effect out and says
/// so. Called by one actor; reports from any thread.
/// </summary>
public sealed class EmbeddedVmBackend : IVmBackend, ILinkAcceptor
{
    private readonly EmbeddedVmOptions options;
    private readonly Action<Message> report;
    private readonly GuestNetwork network;
    private readonly DiskSet disks;
    private readonly Lock gate = new();
    private GuestMachine? guest;
    private readonly List<PrimarySession> ended = [];
    private PrimarySession? primary;
    private SecondarySession? secondary;
    private Epoch lastEpoch = Epoch.Zero;

    public EmbeddedVmBackend(EmbeddedVmOptions options, Action<Message> report)
    {
        this.options = options;
        this.report = report;
        network = new GuestNetwork(
            options.Self,
            [.. options.Nics.Select(nic => new LanPort(nic.Tap, nic.Bridge, nic.Mac, options.Log))],
            options.Comparer, report, options.Time);
        disks = new DiskSet(options.OpenLocalDisks(), options.PairedDisks, report, options.Log, options.Time);
        options.Links.Register(options.Vm, this);
    }

    public void Execute(Effect effect)
    {
        switch (effect)
        {
            case Effect.BootGuest: Boot(); break;
            case Effect.PauseGuest: Pause(); break;
            case Effect.ResumeGuest: guest?.Allow(); break;
            case Effect.DiscardGuest: Discard(); break;
            case Effect.CloseGate close: network.Close(close.Reason); break;
            case Effect.OpenSoloGate open:
                network.OpenSolo(open.Record);
                RepeatEnd();
                break;
            case Effect.BeginJoinGate: network.BeginJoin(); break;
            case Effect.OpenPairGate open:
                network.OpenPair(open.Record, open.Acknowledged);
                RepeatEnd();
                break;
            case Effect.AcknowledgeAtGate acknowledge: network.Acknowledge(acknowledge.Epoch); break;
            case Effect.AttachNetwork attach: network.Attach(attach.Announce); break;
            case Effect.DetachNetwork: network.Detach(); break;
            case Effect.SetComparing comparing: network.SetComparing(comparing.Enabled); break;
            case Effect.ThrottleGuest throttle: guest?.Throttle((100 - throttle.Percent) / 100.0); break;
            default: ExecuteReplication(effect); break;
        }
    }

    public PacketTap Tap => network.Tap;

    public IReadOnlyList<ConnectionPosition> Positions(int most) => network.Positions(most);

    public Task<DiskVerifyReport> VerifyDisks(Action<long, long> progress, CancellationToken cancellation) =>
        disks.VerifyAsync(progress, cancellation);

    Task<DiskVerifyReport>? IVmBackend.VerifyDisks(Action<long, long> progress, CancellationToken cancellation) =>
        VerifyDisks(progress, cancellation);

    public void RequestPowerdown() => guest?.Machine.RequestPowerdown();

    public VmGauges Inspect()
    {
        GuestMachine? machine = guest;
        var gauges = new VmGauges
        {
            Machine = machine is null ? "off" : machine.Machine.IsRunning ? "running" : "paused",
            Tier = machine?.Machine.TierStatistics is { } tier
                ? new VmTierGauges(
                    tier.Regions, tier.Evicted, tier.Dropped, tier.DecodedEvictions, tier.CompiledInstructions,
                    tier.CompiledTime, tier.InterpretedTime, tier.Chained, tier.Exits)
                : null,
        };
        if (primary?.LastReport is { } last)
        {
            gauges = gauges with
            {
                LastPause = last.PauseTime,
                LastCheckpoint = last.RequestTime + last.PauseTime + last.SendTime + last.AcknowledgeTime,
                CheckpointBytes = last.BytesSent,
                CheckpointPages = last.DirtyPages,
                Timing = new CheckpointTiming(
                    (long)last.Stamp.Epoch, last.RequestTime, last.PauseTime, last.SendTime, last.AcknowledgeTime, last.LoadTime,
                    last.DirtyPages, last.BytesSent),
            };
        }

        return network.AddTo(disks.AddTo(gauges));
    }

    public (LinkAnswer Answer, ulong Term) Decide(LinkOpen open)
    {
        lock (gate)
        {
            ulong term = (ulong)(secondary?.Term.Value ?? 0);
            return secondary is null ? (LinkAnswer.NotExpected, term)
                : open.Term < term ? (LinkAnswer.OldTerm, term)
                : open.Term > term || !secondary.Expects(open) ? (LinkAnswer.NotExpected, term)
                : (LinkAnswer.Accepted, term);
        }
    }

    public void Take(DataLink link)
    {
        lock (gate)
        {
            if (secondary is null)
            {
                link.Dispose();
            }
            else
            {
                secondary.Take(link);
            }
        }
    }

    public ValueTask DisposeAsync()
    {
        options.Links.Remove(options.Vm);
        Disconnect();
        disks.Abandon();
        Replace(null);
        network.Dispose();
        disks.Dispose();
        return ValueTask.CompletedTask;
    }

    private void ExecuteReplication(Effect effect)
    {
        switch (effect)
        {
            case Effect.ConnectReplication connect: Connect(connect); break;
            case Effect.DisconnectReplication: Disconnect(); break;
            case Effect.CaptureState capture: Capture(capture); break;
            case Effect.SendImage: break; // the capture's own thread goes on to send
            case Effect.AbortImage abort: Abort(abort.Epoch); break;
            case Effect.StageImage stage: disks.AwaitBarrier(stage.Epoch); break;
            case Effect.DiscardImage discard: secondary?.Discard(discard.Epoch); break;
            case Effect.LoadImage load:
                lastEpoch = load.Epoch;
                secondary?.Commit(load.Epoch);
                break;
            case Effect.CopyDisk copy: primary?.CopyDisk(copy.Plan); break;
            case Effect.CopyMemoryRound: primary?.CopyMemory(); break;
            case Effect.StopCopy: break; // a session that ends takes its copy along; one that goes on has finished it
            case Effect.MergeDiskBuffer: disks.TakeOver(); break;
            case Effect.ForwardDiskWrites: disks.CompletePair(); break;
            case Effect.RecordDiskWrites: disks.Detach("solo"); break;
            case Effect.ReceiveDiskWrites: break; // the links themselves make the secondary receive
            case Effect.IdleDisk: disks.Idle(); break;
            default: throw new System.Diagnostics.UnreachableException($"{effect.GetType().Name} is not for a machine");
        }
    }

    private void Boot()
    {
        try
        {
            Replace(null);
            if (disks.Own() is { } problem)
            {
                report(new GuestBooted(false, problem));
                return;
            }

            GuestMachine machine = Build();
            Replace(machine);
            machine.Allow();
            report(new GuestBooted(true, string.Empty));
        }
        catch (Exception failure) when (failure is LoadException or ArgumentException or IOException)
        {
            report(new GuestBooted(false, failure.Message));
        }
    }

    private GuestMachine Build()
    {
        var nics = network.Ports.Select(port => new NicOptions(port, port.Mac)).ToList();
        var drives = disks.Devices.Select((disk, index) => new DiskOptions(disk, options.DiskSerials[index])).ToList();
        var machine = new VirtMachine(options.BuildMachine(nics, drives));
        var built = new GuestMachine(machine, network, options.Time);
        machine.Changed += change => OnMachine(built, change);
        return built;
    }

    private void OnMachine(GuestMachine source, MachineEvent change)
    {
        if (!ReferenceEquals(source, guest))
        {
            return;
        }

        switch (change)
        {
            case MachineEvent.Shutdown { Exit.Reason: not MachineExitReason.HostRequest }:
                source.NoteEnd();
                report(new GuestEnded(GuestEnd.Shutdown));
                break;
            case MachineEvent.Panicked panicked:
                report(new MachineFailed(panicked.Cause.Message));
                break;
            case MachineEvent.Reset { ByGuest: true }:
                report(new CheckpointTrigger(Checkpoint.CheckpointReason.GuestEvent));
                break;
        }
    }

    /// <summary>
    /// A guest that ended while its host was asking the arbiter, or on a secondary, is its owner's to end only now.
    /// </summary>
    private void RepeatEnd()
    {
        if (guest?.HasEnded == true)
        {
            report(new GuestEnded(GuestEnd.Shutdown));
        }
    }

    private void Pause()
    {
        guest?.Forbid();
        report(new GuestPaused());
    }

    private void Discard()
    {
        Disconnect();
        network.Forget();
        disks.Abandon();
        Replace(null);
    }

    private void Replace(GuestMachine? next)
    {
        GuestMachine? old = guest;
        if (old is not null)
        {
            // Their threads read its RAM; nothing holds them any more, the links are cut and the disks let go of.
            ended.ForEach(session => session.Dispose());
            ended.ForEach(session => session.Join());
            ended.Clear();
        }

        guest = next;
        old?.Dispose();
    }

    private void End(Action<PrimarySession> how)
    {
        if (primary is { } session)
        {
            how(session);
            ended.RemoveAll(other => !other.IsAlive);
            ended.Add(session);
            primary = null;
        }
    }

    private void Connect(Effect.ConnectReplication connect)
    {
        bool stepsBack = !connect.AsPrimary && primary is not null;
        bool steppedUp = connect.AsPrimary && secondary is not null;
        if (stepsBack)
        {
            End(session => session.HandOver());
        }

        Disconnect();
        string? problem = stepsBack ? disks.StepBack(connect.Term, (ulong)lastEpoch.Value)
            : steppedUp ? disks.Promote(connect.Term)
            : null;
        if (problem is not null)
        {
            report(new MachineFailed(problem));
        }

        SessionSetup setup = options.Session(connect.Peer, connect.Term, report) with
        {
            Exchanged = stepsBack || steppedUp,
        };
        if (connect.AsPrimary)
        {
            if (steppedUp)
            {
                guest!.CollectFromHere();
            }

            ended.ForEach(session => session.Dispose()); // who was handed over to has long heard of it
            primary = new PrimarySession(setup, guest!, network, disks, lastEpoch, [.. ended]);
            return;
        }

        if (guest is null)
        {
            Replace(Build());
        }

        network.Prepare();
        lock (gate)
        {
            secondary = new SecondarySession(setup, guest!, network, disks);
        }
    }

    private void Disconnect()
    {
        End(session => session.Dispose());
        SecondarySession? old;
        lock (gate)
        {
            old = secondary;
            secondary = null;
        }

        old?.Dispose();
        disks.StopExpecting();
    }

    private void Capture(Effect.CaptureState capture)
    {
        lastEpoch = capture.Epoch;
        if (primary is null)
        {
            report(new CaptureFailed(capture.Epoch, "there is no session with a secondary"));
            return;
        }

        if (guest?.HasEnded == true)
        {
            // A replica of it would hang behind its last instruction, and nothing would tell that it has ended.
            report(new CaptureFailed(capture.Epoch, "the guest has ended"));
            return;
        }

        primary.TakeCheckpoint(capture.Epoch, capture.ResumeAfter);
    }

    private void Abort(Epoch epoch)
    {
        primary?.AbortCheckpoint();
        network.Abandoned(epoch);
    }
}
