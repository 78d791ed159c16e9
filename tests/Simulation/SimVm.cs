using Colo.Actors.Arbiter;
using Colo.Actors.Checkpoint;
using Colo.Actors.Checkpoint.Secondary;
using Colo.Actors.Disk;
using Colo.Actors.Failover;
using Colo.Actors.Network;
using Colo.Actors.Protocol;
using Colo.Actors.Vm;

namespace Colo.Simulation;

/// <summary>A captured image: the guest as it stood, with what the oracle wants to know about that moment.</summary>
public sealed record SimImage(long Epoch, ModelGuest Guest, ulong Digest, ulong[] Disk);

/// <summary>
/// The shell around the cores of one VM on one host, in one life: messages in, effects carried out on models of
/// machine, links, disk, comparer and gate. The production counterpart is the VM's actors. Mutants live here.
/// </summary>
public sealed class SimVm : IGuestHost
{
    private const int ImageParts = 4;

    private readonly SimWorld _world;
    private readonly SimHost _host;
    private readonly EffectList _effects = new();
    private readonly Queue<Message> _inbox = new();
    private readonly SortedDictionary<TimerName, long> _timers = [];
    private readonly SimComparer _comparer;
    private readonly SortedDictionary<long, List<Frame>> _queuedInput = [];
    private readonly Mutant _mutant;
    private readonly SeededRandom _noise;
    private readonly IVmShell? _shell;
    private bool _delivering;

    private bool _paused;
    private bool _kicked;
    private long _life;
    private SimConnection? _connection;
    private bool _asPrimary;
    private bool _mirroring;
    private bool _forwarding;
    private bool _attached;
    private bool _comparing = true;
    private Term _attachTerm;
    private long _mirrorSerial;
    private long _mirrorSeen;
    private long _captureToken;
    private SimImage? _captured;
    private SimImage? _staged;
    private long _staging = -1;
    private int _parts;
    private bool _broken;
    private long _lastScan;
    private int _owedCheckpoints;
    private readonly List<(long Time, Frame Frame, long Epoch)> _secondaryOnly = [];

    public SimVm(SimWorld world, SimHost host)
    {
        _world = world;
        _host = host;
        _mutant = world.Mutant;
        Identity = host.Identity;
        _noise = world.Random($"noise-{host.Place}-{host.Incarnations}");
        _comparer = new SimComparer(_mutant);
        Gate = new OutputGate(Identity);
        FailoverOptions failover = new()
        {
            Candidates = [.. world.Hosts.Select(other => other.Id)],
            CreateHere = host.Place == Place.A,
            DiskSizeBytes = SimDisk.Sectors * 512L,
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

    public ModelGuest? Guest { get; private set; }

    /// <summary>Tag of what the guest makes now: the last capture (primary) or load (secondary).</summary>
    public long Tag { get; private set; }

    public List<(Frame Frame, long Epoch, Term Term, long Since)> Held { get; } = [];

    public bool Dead { get; private set; }

    public VmStatus? Reported { get; private set; }

    /// <summary>The state that would take over now: a committed image that is being loaded, else the running
    /// guest.</summary>
    public ModelGuest? SurvivorGuest =>
        Protocol.Secondary.State == SecondaryCheckpointState.Loading && _staged is { } staged ? staged.Guest : Guest;

    public IEnumerable<Frame> QueuedInput => _queuedInput.Values.SelectMany(frames => frames);

    public long OldestSecondaryOnly => _secondaryOnly.Count == 0 ? long.MaxValue : _secondaryOnly[0].Time;

    public SeededRandom Noise => _noise;

    public int Divergence => _world.Options.DivergencePerMille;

    public void Die()
    {
        Dead = true;
        _shell?.End();
        _connection?.Break(Place);
    }

    public void Post(Action action) => _host.Post(this, action);

    private void After(long micros, Action action) => _world.Scheduler.After(micros, () => Post(action));

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
        if (_attached)
        {
            _world.Edge.Announce(Place, _attachTerm);
        }

        Guest?.Tick(this, _world.Scheduler.Now);
        Scan();
        if (Guest is not null && Divergence > 0 && _noise.Chance(Divergence / 20))
        {
            _kicked = false; // a lost interrupt: found at the next one
        }

        Kick();
    }

    public void OnClientFrame(Frame frame)
    {
        if (!_attached || Guest is null)
        {
            return;
        }

        if (_mirroring && _connection is { } connection)
        {
            long tag = Tag;
            long serial = ++_mirrorSerial;
            int copies = _mutant == Mutant.M20 && _noise.Chance(100) ? 2 : 1;
            for (; copies > 0; copies--)
            {
                connection.Send(Place, ReplicationChannel.Mirror, peer => peer.OnMirrored(frame, tag, serial));
            }
        }

        Guest.Inbox.Enqueue(frame);
        Kick();
    }

    private void OnMirrored(Frame frame, long tag, long serial)
    {
        _world.Oracle.OnMirrored(this, serial, _mirrorSeen);
        _mirrorSeen = serial;
        if (tag < Tag && Guest is not null)
        {
            return; // the image has it
        }

        if (Guest is not null && tag == Tag)
        {
            Guest.Inbox.Enqueue(frame);
            Kick();
            return;
        }

        if (!_queuedInput.TryGetValue(tag, out List<Frame>? queue))
        {
            _queuedInput[tag] = queue = [];
        }

        queue.Add(frame);
    }

    private void OnSecondaryFrame(Frame frame, long tag)
    {
        if (!_asPrimary)
        {
            return;
        }

        _comparer.Add(frame, tag);
        if (frame.Payload.Length > 0 || frame.Kind != FrameKind.Data)
        {
            _secondaryOnly.Add((_world.Scheduler.Now, frame, tag));
        }

        Reconsider(frame.Connection);
    }

    // The guest.

    public void Output(Frame frame)
    {
        if (_asPrimary || !Gate.IsClosed)
        {
            Submit(frame);
        }
        else if (_connection is { Broken: false } connection)
        {
            long tag = Tag;
            connection.Send(Place, ReplicationChannel.Compare, peer => peer.OnSecondaryFrame(frame, tag));
        }
    }

    public void WriteDisk(int sector, ulong value)
    {
        if (IsReplica)
        {
            _host.Disk.WriteSpeculative(sector, value);
            return;
        }

        _host.Disk.Write(sector, value);
        if (_forwarding && _connection is { } connection)
        {
            long tag = Tag;
            connection.Send(Place, ReplicationChannel.Disk, peer => peer._host.Disk.ApplyForwarded(sector, value, tag));
        }
    }

    public ulong ReadDisk(int sector) =>
        IsReplica ? _host.Disk.ReadSpeculative(sector, Tag) : _host.Disk.Read(sector);

    public void GuestFault(string id, string what) => throw new InvariantFailureException(id, $"guest on {Identity}: {what}");

    private bool IsReplica { get; set; }

    private void Kick()
    {
        if (Guest is null || _paused || _kicked || Guest.Inbox.Count == 0)
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
            if (Guest is { Inbox.Count: > 0 } guest && !_paused)
            {
                guest.HandleOne(this, _world.Scheduler.Now);
                Kick();
            }
        });
    }

    private void SetGuest(ModelGuest? guest)
    {
        Guest = guest;
        _life++;
        _kicked = false;
    }

    private void Resume()
    {
        _paused = false;
        _captureToken = _captured is null ? 0 : _captureToken;
        Kick();
    }

    // The gate.

    private void Submit(Frame frame)
    {
        Held.Add((frame, Tag, Protocol.Failover.Term, _world.Scheduler.Now));
        Reconsider(frame.Connection);
    }

    private void Reconsider(long? connection = null)
    {
        bool mismatch = false;
        long about = 0;
        for (int i = 0; i < Held.Count;)
        {
            (Frame frame, long epoch, Term term, long _) = Held[i];
            if (connection is { } only && frame.Connection != only && !Gate.IsSolo)
            {
                i++;
                continue;
            }

            bool differs = false;
            FrameFacts facts = _comparing
                ? _comparer.Facts(frame, new Epoch(epoch), term, out differs)
                : FrameFacts.Unmatched(new Epoch(epoch), term);
            FrameFate fate = Gate.Decide(facts);
            if (_mutant == Mutant.SoloJoin && Protocol.Failover.State is FailoverState.Joining or FailoverState.AskingPair)
            {
                fate = FrameFate.Solo;
            }

            if (OutputGate.IsRelease(fate))
            {
                Held.RemoveAt(i);
                _world.Oracle.OnRelease(this, frame, fate);
                _world.Trace.Mix((int)fate);
                _world.Edge.FromHost(Place, frame);
                continue;
            }

            if (differs)
            {
                mismatch = true;
                about = Math.Max(about, epoch);
            }

            i++;
        }

        if (mismatch && Gate.NeedsMatch)
        {
            if (_mutant == Mutant.M12)
            {
                _owedCheckpoints++;
            }

            Deliver(new CheckpointTrigger(CheckpointReason.Mismatch, new Epoch(about)));
        }
    }

    private void Scan()
    {
        long now = _world.Scheduler.Now;
        if (!_asPrimary || !Gate.NeedsMatch || now - _lastScan < 10_000)
        {
            return;
        }

        _lastScan = now;
        _secondaryOnly.RemoveAll(item => item.Epoch < Tag || PrimaryHasMade(item.Frame));
        if (!_comparing)
        {
            _secondaryOnly.Clear();
        }

        if (Held.Count > 0 && _comparing && now - Held[0].Since > _world.Options.CompareTimeoutMicros)
        {
            Deliver(new CheckpointTrigger(CheckpointReason.CompareTimeout, new Epoch(Held[0].Epoch)));
        }
        else if (_secondaryOnly.Count > 0 && now - _secondaryOnly[0].Time > _world.Options.CompareTimeoutMicros && _mutant != Mutant.M17)
        {
            Deliver(new CheckpointTrigger(CheckpointReason.CompareTimeout, new Epoch(_secondaryOnly[0].Epoch)));
        }
    }

    private bool PrimaryHasMade(Frame frame)
    {
        if (Guest is not { } guest || !guest.Connections.TryGetValue(frame.Connection, out GuestConnection? connection))
        {
            return frame.Kind == FrameKind.Reset;
        }

        int end = unchecked((int)(frame.Sequence - connection.InitialSequence - 1)) + frame.Payload.Length;
        return frame.Kind != FrameKind.Reset && end <= connection.Sent.Count;
    }

    // Effects.

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
                _paused = true;
                After(_noise.LogBetween(10, 300), () => Deliver(new GuestPaused()));
                break;
            case Effect.ResumeGuest when Guest is not null:
                if (_captureToken != 0 && _captured is null)
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
                Capture(capture);
                break;
            case Effect.SendImage send:
                SendImage(send.Epoch.Value);
                break;
            case Effect.AbortImage:
                _captured = null;
                break;
            case Effect.StageImage stage:
                (_staging, _parts, _broken, _staged) = (stage.Epoch.Value, 0, false, null);
                break;
            case Effect.DiscardImage:
                (_staging, _staged) = (-1, null);
                break;
            case Effect.LoadImage load:
                Load(load.Epoch.Value);
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
                IsReplica = false;
                _mirroring = true;
                Gate.OpenPair(open.Record, open.Acknowledged);
                Reconsider();
                break;
            case Effect.AcknowledgeAtGate acknowledge:
                Acknowledge(acknowledge.Epoch);
                Reconsider();
                OwedCheckpoint();
                break;
            case Effect.ConnectReplication connect:
                Connect(connect.Peer, connect.AsPrimary);
                break;
            case Effect.DisconnectReplication:
                Disconnect();
                break;
            case Effect.AttachNetwork attach:
                _attached = true;
                _attachTerm = attach.Term;
                _world.Edge.Announce(Place, attach.Term);
                break;
            case Effect.DetachNetwork:
                _attached = false;
                break;
            case Effect.SetComparing comparing:
                _comparing = comparing.Enabled;
                break;
            default:
                ApplyDisk(effect);
                break;
        }
    }

    private void ApplyDisk(Effect effect)
    {
        switch (effect)
        {
            case Effect.ForwardDiskWrites:
                _forwarding = true;
                break;
            case Effect.RecordDiskWrites:
                _forwarding = false;
                break;
            case Effect.ReceiveDiskWrites:
                _forwarding = false;
                break;
            case Effect.IdleDisk:
                _forwarding = false;
                _host.Disk.DropBuffer();
                break;
            case Effect.MergeDiskBuffer merge:
                _host.Disk.BeginMerge(merge.Epoch.Value);
                IsReplica = false;
                Merge();
                break;
            case Effect.CopyDisk copy:
                CopyDisk();
                _ = copy;
                break;
            case Effect.CopyMemoryRound round:
                CopyRound(round.Round);
                break;
            default:
                throw new InvalidOperationException($"no shell for {effect.GetType().Name}");
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
        After(150_000, () => Answer(new ArbiterAnswer.Unknown("no answer in time")));

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
        _world.Oracle.OnStatus(this, status);
    }

    private void Boot(long epoch)
    {
        _world.ColdBoots++;
        Discard("boot");
        ModelGuest guest = new();
        IsReplica = false;
        guest.Boot(this, SimDisk.Sectors);
        SetGuest(guest);
        Tag = epoch;
        _paused = false;
        After(20_000, () => Deliver(new GuestBooted(true, "")));
    }

    private void Discard(string reason)
    {
        if (_mutant == Mutant.M7 && reason.StartsWith("evicted", StringComparison.Ordinal))
        {
            return;
        }

        SetGuest(null);
        Held.Clear();
        _comparer.Clear();
        _secondaryOnly.Clear();
        _queuedInput.Clear();
        (_captured, _staged, _staging, _captureToken) = (null, null, -1, 0);
        _paused = false;
        _attached = false;
        Disconnect();
    }

    private void OpenSolo(ArbiterRecord record)
    {
        IsReplica = false;
        Gate.OpenSolo(record);
        foreach (List<Frame> queue in _queuedInput.Values)
        {
            queue.ForEach(frame => Guest?.Inbox.Enqueue(frame));
        }

        _queuedInput.Clear();
        Reconsider();
        Kick();
    }

    private void Connect(HostId peer, bool asPrimary)
    {
        _asPrimary = asPrimary;
        _mirroring = false;
        _mirrorSeen = 0;
        _mirrorSerial = 0;
        _comparer.Clear();
        _secondaryOnly.Clear();
        IsReplica |= !asPrimary;
        if (_connection is { Broken: false } old && !old.Joins(Place, _world.PlaceOf(peer)))
        {
            Disconnect();
        }

        _connection = _world.Connect(this, _world.PlaceOf(peer), asPrimary);
    }

    private void Disconnect()
    {
        (_mirroring, _forwarding) = (false, false);
        if (_connection is { Broken: false } connection)
        {
            _world.BreakConnection(connection, Place);
        }

        _connection = null;
        if (_asPrimary && !Gate.IsClosed)
        {
            return; // the survivor's frames go on through the gate
        }

        _asPrimary = false;
    }

    /// <summary>The other side has closed, or the network has.</summary>
    public void OnConnectionLost(SimConnection connection)
    {
        if (_connection == connection && Protocol.Failover.Peer is { } peer)
        {
            Deliver(new ReplicationLinkLost(peer, ReplicationChannel.Checkpoint));
        }
    }

    private void Capture(Effect.CaptureState capture)
    {
        _paused = true;
        _captured = null;
        long token = capture.Epoch.Value;
        _captureToken = token;
        if (_mutant == Mutant.M1)
        {
            Gate.Acknowledge(capture.Epoch);
            Reconsider();
        }

        After(_noise.LogBetween(100, 2_000), () =>
        {
            if (_captureToken != token || Guest is not { } guest)
            {
                return;
            }

            _captured = new SimImage(token, guest.Clone(), guest.Digest(), _host.Disk.Snapshot());
            _world.Oracle.OnCapture(this, _captured);
            Tag = token;
            _mirroring = true;
            _connection?.Send(Place, ReplicationChannel.Disk, peer => peer.Deliver(new DiskBarrierReached(capture.Epoch)));
            if (capture.ResumeAfter)
            {
                Resume();
            }

            Deliver(new StateCaptured(capture.Epoch, guest.Memory.Count, 100, TimeSpan.FromMilliseconds(1)));
        });
    }

    private void SendImage(long epoch)
    {
        if (_captured is not { } image || image.Epoch != epoch || _connection is not { } connection)
        {
            return;
        }

        bool corrupt = _world.CorruptImages > 0;
        _world.CorruptImages -= corrupt ? 1 : 0;
        for (int part = 1; part <= ImageParts; part++)
        {
            int number = part;
            connection.Send(Place, ReplicationChannel.Checkpoint, peer => peer.OnImagePart(image, number, corrupt && number == 2),
                _world.Options.ImagePartMicros);
        }

        After(_world.Options.ImagePartMicros * ImageParts, () => Deliver(new ImageSent(new Epoch(epoch))));
    }

    private void OnImagePart(SimImage image, int part, bool corrupt)
    {
        if (_mutant == Mutant.M19 && Protocol.Secondary.State == SecondaryCheckpointState.Settled && part == ImageParts)
        {
            SetGuest(image.Guest.Clone());
        }

        if (_staging != image.Epoch)
        {
            return;
        }

        if (_mutant == Mutant.M9 && part == 1)
        {
            _host.Disk.DropGenerationsBelow(image.Epoch);
        }

        if (_mutant == Mutant.M11 && Guest is { } guest && part == 2)
        {
            foreach ((int key, ulong value) in image.Guest.Memory)
            {
                guest.Memory[key] = value;
            }
        }

        _parts++;
        _broken |= corrupt;
        if (_parts == ImageParts)
        {
            _staged = image;
            Deliver(_broken ? new ImageBroken(new Epoch(image.Epoch), "checksum") : new ImageStaged(new Epoch(image.Epoch)));
        }
    }

    private void Load(long epoch)
    {
        SimImage image = _staged ?? throw new InvariantFailureException("S5", $"load of {epoch} without an image");
        _world.Oracle.OnCommit(this, image);
        After(_noise.LogBetween(200, 4_000), () =>
        {
            if (_staged != image)
            {
                return; // thrown away meanwhile
            }

            SetGuest(image.Guest.Clone());
            _host.Disk.DropGenerationsBelow(epoch);
            Tag = epoch;
            _paused = true;
            foreach (long tag in _queuedInput.Keys.Where(tag => tag <= epoch).ToList())
            {
                if (tag == epoch)
                {
                    _queuedInput[tag].ForEach(Guest!.Inbox.Enqueue);
                }

                _queuedInput.Remove(tag);
            }

            _world.Oracle.OnLoaded(this, image, _host.Disk);
            (_staged, _staging) = (null, -1);
            Deliver(new ImageLoaded(new Epoch(epoch)));
        });
    }

    private void Merge() => After(_noise.LogBetween(50, 500), () =>
    {
        if (_host.Disk.MergeOne())
        {
            Merge();
        }
        else
        {
            Deliver(new DiskMerged());
        }
    });

    private void CopyDisk()
    {
        _forwarding = true; // what the guest writes from now on follows the copy in the same stream
        ulong[] content = _host.Disk.Snapshot();
        _connection?.Send(Place, ReplicationChannel.Disk, peer => peer._host.Disk.Overwrite(content), 5_000);
        After(20_000, () => Deliver(new DiskCopyDone()));
    }

    private void CopyRound(int round) =>
        After(_noise.LogBetween(1_000, 30_000), () => Deliver(new MemoryRoundDone(100 / round, round > 2 ? 0 : 20 / round, TimeSpan.Zero)));

    private void Acknowledge(Epoch epoch)
    {
        Gate.Acknowledge(epoch);
        _comparer.DropBelow(epoch.Value);
        if (_captured is { } image && image.Epoch == epoch.Value)
        {
            foreach ((long id, GuestConnection state) in image.Guest.Connections)
            {
                _comparer.RaiseSafeAck(id, state.AckNumber); // the image has these bytes, and it is committed
            }
        }
    }

    private void OwedCheckpoint()
    {
        if (_mutant == Mutant.M12 && _owedCheckpoints > 0)
        {
            _owedCheckpoints--;
            After(1_000, () => Deliver(new CheckpointTrigger(CheckpointReason.Mismatch)));
        }
    }
}
