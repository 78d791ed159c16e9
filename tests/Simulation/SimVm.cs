using Colo.Actors.Arbiter;
using Colo.Actors.Checkpoint;
using Colo.Actors.Checkpoint.Secondary;
using Colo.Actors.Disk;
using Colo.Actors.Failover;
using Colo.Actors.Network;
using Colo.Actors.Protocol;
using Colo.Actors.Vm;

namespace Colo.Simulation;

/// <summary>
/// The shell around the cores of one VM on one host, in one life: messages in, effects carried out on models of
/// machine, links, disk, comparer and gate. The production counterpart is the VM's actors. Mutants live here.
/// </summary>
public sealed class SimVm : IGuestHost
{
    private readonly SimWorld _world;
    private readonly SimHost _host;
    private readonly EffectList _effects = new();
    private readonly Queue<Message> _inbox = new();
    private readonly SortedDictionary<TimerName, long> _timers = [];
    private readonly Mutant _mutant;
    private readonly SeededRandom _noise;
    private readonly IVmShell? _shell;
    private bool _delivering;

    private bool _kicked;
    private long _life;
    private Term _attachTerm;

    public SimVm(SimWorld world, SimHost host)
    {
        _world = world;
        _host = host;
        _mutant = world.Mutant;
        Identity = host.Identity;
        _noise = world.Random($"noise-{host.Place}-{host.Incarnations}");
        Traffic = new SimTraffic(this, world);
        Images = new SimImages(this, world);
        Storage = world.Options.SharedDisk ? new SharedStorage(this, world) : new SimStorage(this, world);
        Gate = new OutputGate(Identity);
        FailoverOptions failover = new()
        {
            Candidates = [.. world.Hosts.Select(other => other.Id)],
            CreateHere = host.Place == Place.A,
            DiskSizeBytes = SimDisk.Sectors * 512L,
            DiskKeepsBitmap = true,
            LastInStep = host.Remembered,
            OfferInterval = TimeSpan.FromMilliseconds(300),
            JoinRetryMax = TimeSpan.FromSeconds(2),
            InviteTimeout = TimeSpan.FromSeconds(2),
            PeerStepTimeout = TimeSpan.FromSeconds(4),
        };
        CheckpointOptions checkpoint = new()
        {
            Mode = world.Options.Mode,
            ColoPeriod = TimeSpan.FromSeconds(world.Seed % 2 == 0 ? 2 : 20),
            PeriodicPeriod = TimeSpan.FromMilliseconds(50),
            ReplyTimeout = TimeSpan.FromSeconds(1),
            TransferTimeout = TimeSpan.FromSeconds(2),
            LoadTimeout = TimeSpan.FromSeconds(2),
            AutoCheckpoints = 10,
            AutoWindow = TimeSpan.FromSeconds(1),
            AutoReturn = TimeSpan.FromSeconds(2),
        };
        Protocol = new VmProtocol(new VmId("vm"), Identity, failover, checkpoint, new ResyncOptions { ConvergedPages = 2 });
        _shell = world.Options.InActors ? VmShell.Create(world, host, this) : null;
    }

    public VmProtocol Protocol { get; }

    public HostIdentity Identity { get; }

    public Place Place => _host.Place;

    public OutputGate Gate { get; }

    public IGuest? Guest { get; private set; }

    /// <summary>Tag of what the guest makes now: the last capture (primary) or load (secondary).</summary>
    public long Tag { get; set; }

    public SimTraffic Traffic { get; }

    public SimImages Images { get; }

    public ISimStorage Storage { get; }

    public SimDisk Disk => _host.Disk;

    public SimConnection? Connection { get; private set; }

    public bool AsPrimary { get; private set; }

    public bool IsAttached { get; private set; }

    public bool IsPaused { get; set; }

    public List<(Frame Frame, long Epoch, Term Term, long Since)> Held => Traffic.Held;

    public bool Dead { get; private set; }

    public VmStatus? Reported { get; private set; }

    /// <summary>The state that would take over now: a committed image that is being loaded, else the running
    /// guest.</summary>
    public IGuestView? SurvivorGuest =>
        Protocol.Secondary.State == SecondaryCheckpointState.Loading && Images.Staged is { } staged
            ? staged.Guest.View
            : Guest;

    public SeededRandom Noise => _noise;

    public int Divergence => _world.Options.DivergencePerMille;

    /// <summary>The host's own clock.</summary>
    public long LocalMicros => _host.LocalNow.Ticks / 10;

    public void Die()
    {
        Dead = true;
        _shell?.End();
        Guest?.Dispose();
        Connection?.Break(Place);
    }

    public void Post(Action action) => _host.Post(this, action);

    /// <summary>Work of this host, which takes so long at its usual speed.</summary>
    public void After(long micros, Action action)
    {
        if (_host.Slowness > 1)
        {
            micros *= _host.Slowness;
            _world.Oracle.OnDelay(micros);
        }

        Wait(micros, action);
    }

    /// <summary>Time that passes by the clock, however busy the host is.</summary>
    public void Wait(long micros, Action action) => _world.Scheduler.After(micros, () => Post(action));

    // Messages in.

    public void OnPeerMessage(PeerMessage message)
    {
        if (_shell is not null)
        {
            Deliver(message);
            return;
        }

        long refused = Protocol.Refused;
        PeerMessage seen = message;
        if (_mutant == Mutant.M5 && Protocol.Failover.Peer is { } peer && message is not (JoinOffer or JoinInvite or PairDissolved or PairEstablished or SwitchoverGranted))
        {
            seen = message with { From = peer, Term = Protocol.Failover.Term };
        }

        _world.Oracle.BeforePeerMessage(this, message);
        Deliver(seen);
        _world.Oracle.AfterPeerMessage(this, message, Protocol.Refused > refused);
        if (_mutant == Mutant.M2 && message is VmStateSend sent && Protocol.Secondary.State == SecondaryCheckpointState.Receiving)
        {
            Send(new Effect.Send(sent.From.Host, new VmStateReceived(Identity, sent.Term, sent.Epoch)));
        }
    }

    public void Deliver(Message message)
    {
        if (_shell is not null)
        {
            _shell.Tell(message);
            return;
        }

        _inbox.Enqueue(message);
        if (_delivering)
        {
            return;
        }

        _delivering = true;
        while (_inbox.TryDequeue(out Message? next) && !Dead)
        {
            string before = Protocol.Failover.StateName + "/" + Protocol.Primary.StateName + "/" + Protocol.Secondary.StateName;
            _effects.Clear();
            Protocol.Decide(_host.LocalNow, next, _effects);
            string after = Protocol.Failover.StateName + "/" + Protocol.Primary.StateName + "/" + Protocol.Secondary.StateName;
            if (before != after)
            {
                Story($"{next.GetType().Name}: {after}");
            }

            _world.Trace.Mix(next.GetType().Name);
            foreach (Effect effect in _effects.ToArray())
            {
                _world.Trace.Mix(effect.GetType().Name);
                Apply(effect);
            }
        }

        _delivering = false;
    }

    public void Story(string what) => _world.Trace.Line(_world.Scheduler.Now, Identity.ToString(), Protocol.Failover.StateName,
        $"{Protocol.Failover.Term}", $"e{Tag}", Held.Count, what);

    /// <summary>What the real shell does by its own timers: announce again, scan for aged frames.</summary>
    public void EverySoOften()
    {
        if (IsAttached)
        {
            _world.Edge.Announce(Place, _attachTerm);
        }

        Guest?.Tick(this, _world.Scheduler.Now);
        Traffic.Scan();
        if (Guest is not null && Divergence > 0 && _noise.Chance(Divergence / 20))
        {
            _kicked = false; // a lost interrupt: found at the next one
        }

        Kick();
    }

    public void Output(Frame frame) => Storage.Output(frame);

    public void WriteDisk(int sector, ulong value) => Storage.Write(sector, value);

    public void FlushDisk() => Storage.Flush();

    public ulong ReadDisk(int sector) => Storage.Read(sector);

    public void GuestFault(string id, string what)
    {
        // A host that was frozen and given up may find a shared disk changed under its guest.
        if (!_world.Options.SharedDisk || !_world.IsGivenUp(this))
        {
            throw new InvariantFailureException(id, $"guest on {Identity}: {what}");
        }
    }

    public void Kick()
    {
        if (Guest is null || IsPaused || _kicked || !Guest.HasWork(_world.Scheduler.Now))
        {
            return;
        }

        _kicked = true;
        long life = _life;
        bool hiccup = Divergence > 0 && _noise.Chance(Divergence / 4);
        After(hiccup ? _noise.LogBetween(1_000, 20_000) : _noise.LogBetween(20, 400), () =>
        {
            if (life != _life)
            {
                return;
            }

            _kicked = false;
            if (Guest is { } guest && !IsPaused && guest.HasWork(_world.Scheduler.Now))
            {
                guest.Run(this, _world.Scheduler.Now);
                Kick();
            }
        });
    }

    public void SetGuest(IGuest? guest)
    {
        if (Guest != guest)
        {
            Guest?.Dispose();
        }

        if (guest is null)
        {
            Storage.Clear();
            _world.Oracle.OnGuestGone(this);
        }

        Guest = guest;
        _life++;
        _kicked = false;
    }

    public void Resume()
    {
        IsPaused = false;
        Images.CaptureToken = Images.Captured is null ? 0 : Images.CaptureToken;
        Kick();
    }

    public void Send(Effect.Send send) => _world.SendControl(_host, send.To, send.Message);

    /// <summary>Carries one effect out on the models.</summary>
    public void Apply(Effect effect)
    {
        switch (effect)
        {
            case Effect.Send send:
                Send(send);
                break;
            case Effect.StartTimer timer:
                StartTimer(timer);
                break;
            case Effect.StopTimer timer:
                _timers.Remove(timer.Name);
                break;
            case Effect.AskArbiter ask:
                AskArbiter(ask);
                break;
            case Effect.Emit emit:
                _world.Oracle.OnEvent(this, emit.Event);
                Story($"{(int)emit.Event.Code} {emit.Event.Code} {emit.Event.Summary}");
                break;
            case Effect.ReportStatus report:
                Report(report.Status);
                break;
            case Effect.CompleteCommand complete:
                _world.OnCommandDone(complete);
                break;
            case Effect.NoteRecord or Effect.RunHook or Effect.ThrottleGuest or Effect.StopCopy:
                break;
            default:
                ApplyGuest(effect);
                break;
        }
    }

    private void ApplyGuest(Effect effect)
    {
        switch (effect)
        {
            case Effect.BootGuest boot:
                Boot(boot.Epoch.Value);
                break;
            case Effect.PauseGuest:
                IsPaused = true;
                After(_noise.LogBetween(10, 300), () => Deliver(new GuestPaused()));
                break;
            case Effect.ResumeGuest when Guest is not null:
                if (Images.CaptureToken != 0 && Images.Captured is null)
                {
                    break; // the capture under way resumes by itself
                }

                Resume();
                break;
            case Effect.ResumeGuest:
                break;
            case Effect.DiscardGuest discard:
                Discard(discard.Reason);
                break;
            case Effect.CaptureState capture:
                Images.Capture(capture);
                break;
            case Effect.SendImage send:
                Images.SendImage(send.Epoch.Value);
                break;
            case Effect.AbortImage:
                Images.Captured = null;
                break;
            case Effect.StageImage stage:
                Images.Stage(stage.Epoch.Value);
                break;
            case Effect.DiscardImage:
                Images.DiscardStaged();
                break;
            case Effect.LoadImage load:
                Images.Load(load.Epoch.Value);
                break;
            default:
                ApplyOutside(effect);
                break;
        }
    }

    private void ApplyOutside(Effect effect)
    {
        switch (effect)
        {
            case Effect.CloseGate close:
                if (_mutant == Mutant.M7 && Gate.IsSolo)
                {
                    break;
                }

                Gate.Close(close.Reason);
                break;
            case Effect.OpenSoloGate open:
                OpenSolo(open.Record);
                break;
            case Effect.BeginJoinGate:
                Gate.BeginJoin();
                break;
            case Effect.OpenPairGate open:
                Storage.OwnInPair();
                Traffic.IsMirroring = true;
                Gate.OpenPair(open.Record, open.Acknowledged);
                Traffic.Reconsider();
                RepeatEnd();
                break;
            case Effect.AcknowledgeAtGate acknowledge:
                Traffic.Acknowledge(acknowledge.Epoch);
                Traffic.Reconsider();
                Traffic.OwedCheckpoint();
                break;
            case Effect.ConnectReplication connect:
                Connect(connect.Peer, connect.AsPrimary);
                break;
            case Effect.DisconnectReplication:
                Disconnect();
                break;
            case Effect.AttachNetwork attach:
                IsAttached = true;
                _attachTerm = attach.Term;
                _world.Edge.Announce(Place, attach.Term);
                break;
            case Effect.DetachNetwork:
                IsAttached = false;
                break;
            case Effect.SetComparing comparing:
                Traffic.IsComparing = comparing.Enabled;
                break;
            case Effect.CopyMemoryRound round:
                CopyRound(round.Round);
                break;
            default:
                if (effect is Effect.CopyDisk)
                {
                    _world.HostFaults.OnCopy();
                }

                if (!Storage.TryApply(effect))
                {
                    throw new InvalidOperationException($"no shell for {effect.GetType().Name}");
                }

                break;
        }
    }

    private void StartTimer(Effect.StartTimer timer)
    {
        _timers[timer.Name] = timer.Generation;
        _world.Scheduler.After(_host.ToWorld(timer.After), () => Post(() =>
        {
            if (_timers.TryGetValue(timer.Name, out long generation) && generation == timer.Generation)
            {
                Deliver(new TimerFired(timer.Name, timer.Generation));
            }
        }));
    }

    private void AskArbiter(Effect.AskArbiter ask)
    {
        bool answered = false;
        Place place = Place;
        if (_mutant == Mutant.M4 && ask.Proposal is { Next: { Secondary: null, PoweredOff: false } next, Claim: ArbiterClaim.InSync } && Guest is not null)
        {
            OpenSolo(next);
        }

        _world.Witness.Ask(place, ask.Proposal, answer => Answer(answer));
        Wait(150_000, () => Answer(new ArbiterAnswer.Unknown("no answer in time")));

        void Answer(ArbiterAnswer answer) => Post(() =>
        {
            if (answered)
            {
                return;
            }

            answered = true;
            if (_mutant == Mutant.M6 && answer is ArbiterAnswer.Unknown && ask.Proposal is { } proposal)
            {
                answer = new ArbiterAnswer.Granted(proposal.Next);
            }

            if (_mutant == Mutant.M7 && answer is ArbiterAnswer.Refused && ask.Proposal is { Next: { Secondary: null } record } && Guest is not null)
            {
                OpenSolo(record);
            }

            Deliver(new ArbiterAnswered(ask.Request, answer));
        });
    }

    private void Report(VmStatus status)
    {
        if (_mutant == Mutant.M21 && status.State == nameof(FailoverState.AskingPair))
        {
            status = status with { Protection = ProtectionState.Protected };
        }

        Reported = status;
        Disk.Bitmap.Note(status);
        _world.Oracle.OnStatus(this, status);
    }

    private void Boot(long epoch)
    {
        _world.Oracle.OnBoot(this);
        _world.OnColdBoot(Protocol.Failover.Term);
        Discard("boot");
        IGuest guest = _world.NewGuest();
        Storage.Boot();
        _world.OnBootFrom(Disk);
        guest.Boot(this);
        SetGuest(guest);
        Tag = epoch;
        IsPaused = false;
        After(20_000, () => Deliver(new GuestBooted(true, "")));
    }

    private void Discard(string reason)
    {
        if (_mutant == Mutant.M7 && reason.StartsWith("evicted", StringComparison.Ordinal))
        {
            return;
        }

        SetGuest(null);
        Traffic.Clear();
        Images.Clear();
        IsPaused = false;
        IsAttached = false;
        Disconnect();
    }

    private void OpenSolo(ArbiterRecord record)
    {
        Storage.Own();
        Gate.OpenSolo(record);
        Traffic.DeliverQueued();
        Traffic.Reconsider();
        Kick();
        RepeatEnd();
    }

    /// <summary>Its machine has ended, perhaps when that was not this host's to act on.</summary>
    private void RepeatEnd()
    {
        if (Guest?.HasEnded == true && _mutant != Mutant.EndToldOnce)
        {
            After(1, () => Deliver(new GuestEnded(GuestEnd.Shutdown)));
        }
    }

    private void Connect(HostId peer, bool asPrimary)
    {
        AsPrimary = asPrimary;
        Traffic.Connected();
        Images.Connected();
        Storage.Connected(asPrimary);
        if (Connection is { Broken: false } old && !old.Joins(Place, _world.PlaceOf(peer)))
        {
            Disconnect();
        }

        Connection = _world.Connect(this, _world.PlaceOf(peer), asPrimary);
    }

    private void Disconnect()
    {
        Traffic.IsMirroring = false;
        Storage.Disconnected();
        if (Connection is { Broken: false } connection)
        {
            _world.BreakConnection(connection, Place);
        }

        Connection = null;
        if (AsPrimary && !Gate.IsClosed)
        {
            return; // the survivor's frames go on through the gate
        }

        AsPrimary = false;
    }

    /// <summary>The other side has closed, or the network has.</summary>
    public void OnConnectionLost(SimConnection connection)
    {
        if (Connection == connection)
        {
            Storage.Disconnected();
        }

        if (Connection == connection && Protocol.Failover.Peer is { } peer)
        {
            Deliver(new ReplicationLinkLost(peer, ReplicationChannel.Checkpoint));
        }
    }

    private void CopyRound(int round)
    {
        _world.HostFaults.OnCopy();
        After(_noise.LogBetween(1_000, 30_000), () => Deliver(new MemoryRoundDone(100 / round, round > 2 ? 0 : 20 / round, TimeSpan.Zero)));
    }
}
