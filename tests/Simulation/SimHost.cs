using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Simulation;

/// <summary>
/// A process boundary. A crash drops every object of the host and keeps its disk; a restart makes new ones in a new
/// incarnation. Its clock drifts; while it is frozen, what comes waits.
/// </summary>
public sealed class SimHost
{
    private const long BeatMicros = 50_000;

    /// <summary>A peer that is not heard for longer counts as lost.</summary>
    public const long SilenceMicros = 320_000;

    private readonly SimWorld _world;
    private readonly List<Action> _deferred = [];
    private readonly SortedDictionary<Place, (HostIdentity Identity, long Heard, bool Lost, long Told)> _peers = [];
    private readonly int _driftPpm;
    private readonly SlowProcessor _processor;
    private long _incarnation;
    private long _frozenUntil;

    public SimHost(SimWorld world, Place place, int driftPpm)
    {
        _world = world;
        Place = place;
        _driftPpm = driftPpm;
        Id = new HostId(place.ToString());
        _processor = new SlowProcessor(world.Scheduler, world.Oracle.OnDelay);
        Disk = new SimDisk(world.Options.SharedDisk ? world.SharedSectors : new ulong[SimDisk.Sectors]);
    }

    public Place Place { get; }

    public HostId Id { get; }

    public SimDisk Disk { get; }

    public SimVm? Vm { get; private set; }

    /// <summary>The last term in which this host's disk was part of the VM's history: kept over restarts, and lost with the disk.</summary>
    public Term Remembered => Disk.Bitmap.LastInStep;

    public bool Alive => Vm is not null;

    public bool Frozen => _world.Scheduler.Now < _frozenUntil;

    /// <summary>F06: how many times slower than usual it does everything; 1: not.</summary>
    public long Slowness
    {
        get => _processor.Factor;
        set => _processor.Factor = value;
    }

    /// <summary>Slow, or still busy with what came while it was.</summary>
    public bool IsBehind => _processor.IsBehind;

    public HostIdentity Identity => new(Id, new Incarnation(_incarnation));

    public long Incarnations => _incarnation;

    public Instant LocalNow => new((_world.Scheduler.Now + (_world.Scheduler.Now * _driftPpm / 1_000_000)) * 10);

    /// <summary>Rounded up: a timer never fires before its time on the host's own clock.</summary>
    public long ToWorld(TimeSpan local) => (local.Ticks * 100_000 / (1_000_000 + _driftPpm)) + 2;

    public void Start()
    {
        if (Alive)
        {
            return;
        }

        _incarnation++;
        _frozenUntil = 0;
        _deferred.Clear();
        _processor.Clear();
        _peers.Clear();
        if (!_world.Options.SharedDisk)
        {
            Disk.Recover(); // a shared one is the other's, perhaps
            _world.Oracle.OnMerged(Place, Disk);
        }

        Vm = new SimVm(_world, this);
        SimVm vm = Vm;
        _world.Story(this, "starts");
        vm.Deliver(new NodeStarted());
        _world.Scheduler.After(_world.Random("beats").Between(1, BeatMicros), () => Beat(vm, _world.Scheduler.Now));
    }

    /// <summary>The process is gone. With <paramref name="reset"/> the operating system closes its
    /// connections.</summary>
    /// <param name="cut">What the disk had not flushed is lost, or parts of it.</param>
    public void Crash(bool reset, bool cut = false)
    {
        if (Vm is not { } vm)
        {
            return;
        }

        _world.Story(this, reset ? "process killed" : "power lost");
        _world.Oracle.OnWorse();
        HostIdentity dead = Identity;
        Vm = null;
        vm.Die();
        if (cut)
        {
            IReadOnlyList<int> touched = Disk.LoseUnflushed(_world.Random("power-cut"));
            _world.Oracle.OnCacheLost(Place, Disk, touched);
            _world.Hits.Add(Disk.HasLost ? "F22 power cut: writes are lost" : "F22 power cut: nothing is lost");
        }

        Disk.Crash(lost: _world.Random("disk-crash").Chance(500), marked: _world.Mutant == Mutant.M10);
        _deferred.Clear();
        _processor.Clear();
        _world.OnCrash(this, dead, reset);
    }

    public void Freeze(long micros)
    {
        if (!Alive || Frozen)
        {
            return;
        }

        _world.Story(this, $"frozen for {micros / 1000} ms");
        _frozenUntil = _world.Scheduler.Now + micros;
        SimVm? vm = Vm;
        _world.Scheduler.At(_frozenUntil, () =>
        {
            if (Vm == vm)
            {
                Thaw();
            }
        });
    }

    public void Thaw()
    {
        _frozenUntil = 0;
        List<Action> deferred = [.. _deferred];
        _deferred.Clear();
        deferred.ForEach(action => action());
    }

    /// <summary>Runs on this host in its present life: at once, when it thaws, or when it comes to it.</summary>
    public void Post(SimVm life, Action action)
    {
        if (Vm == life)
        {
            _processor.Run(() => Handle(life, action));
        }
    }

    public void OnClientFrame(Frame frame)
    {
        if (Vm is { } vm)
        {
            Post(vm, () => vm.Traffic.OnClientFrame(frame));
        }
    }

    public void OnControl(HostIdentity from, PeerMessage message)
    {
        _ = from;
        if (Vm is { } vm)
        {
            Post(vm, () => vm.OnPeerMessage(message));
        }
    }

    public void OnBeat(Place from, HostIdentity identity, Term term, bool holds)
    {
        if (Vm is not { } vm)
        {
            return;
        }

        _world.Oracle.OnBeat(Place, identity);
        Post(vm, () =>
        {
            long now = _world.Scheduler.Now;
            bool known = _peers.TryGetValue(from, out (HostIdentity Identity, long Heard, bool Lost, long Told) peer);
            if (known && peer.Identity.Incarnation.Value > identity.Incarnation.Value)
            {
                return; // an old datagram
            }

            bool tell = !known || peer.Lost || peer.Identity != identity || now - peer.Told >= 1_000_000;
            _peers[from] = (identity, now, false, tell ? now : peer.Told);
            if (tell)
            {
                vm.Deliver(new PeerSeen(identity, term, holds));
            }
        });
    }

    /// <summary>A connection reset: the process behind it is gone.</summary>
    public void OnProcessGone(Place from, HostIdentity dead)
    {
        if (Vm is { } vm)
        {
            Post(vm, () =>
            {
                if (_peers.TryGetValue(from, out (HostIdentity Identity, long Heard, bool Lost, long Told) peer)
                    && peer.Identity == dead && !peer.Lost)
                {
                    _peers[from] = (peer.Identity, peer.Heard, true, peer.Told);
                    vm.Deliver(new PeerLost(dead, LossEvidence.ProcessGone));
                }
            });
        }
    }

    private void Handle(SimVm life, Action action)
    {
        if (Vm != life)
        {
            return;
        }

        if (Frozen)
        {
            _deferred.Add(() => Handle(life, action));
            return;
        }

        action();
    }

    private void BeatLater(SimVm vm)
    {
        long due = _world.Scheduler.Now + BeatMicros;
        _world.Scheduler.At(due, () => _processor.Run(() => Beat(vm, due)));
    }

    private void Beat(SimVm vm, long due)
    {
        if (Vm != vm)
        {
            return;
        }

        if (Frozen)
        {
            _deferred.Add(() => Wake(vm));
            return;
        }

        Forgive(_world.Scheduler.Now - due);
        CheckSilence(vm);
        HostIdentity identity = Identity;
        (Term term, bool holds) = (vm.Protocol.KnownTerm, vm.Protocol.HoldsGuest);
        foreach (SimHost other in _world.Hosts)
        {
            if (other != this && !_world.HeartbeatsBlocked(Place, other.Place))
            {
                _world.Network.Datagram(Place, other.Place, () => other.OnBeat(Place, identity, term, holds));
            }
        }

        vm.EverySoOften();
        BeatLater(vm);
    }

    /// <summary>A host that is late itself did not listen for that time: it is nobody's silence.</summary>
    private void Forgive(long late)
    {
        if (late <= BeatMicros / 2)
        {
            return;
        }

        foreach (Place place in _peers.Keys.ToList())
        {
            (HostIdentity identity, long heard, bool lost, long told) = _peers[place];
            _peers[place] = (identity, Math.Min(_world.Scheduler.Now, heard + late), lost, told);
        }
    }

    /// <summary>After a stand-still the silence was this host's own: give the peers one interval to be heard.</summary>
    private void Wake(SimVm vm)
    {
        if (_world.Mutant == Mutant.M26)
        {
            CheckSilence(vm);
        }

        foreach (Place place in _peers.Keys.ToList())
        {
            (HostIdentity identity, long _, bool lost, long told) = _peers[place];
            _peers[place] = (identity, _world.Scheduler.Now - SilenceMicros + (2 * BeatMicros), lost, told);
        }

        _world.Scheduler.After(1, () => Beat(vm, _world.Scheduler.Now));
    }

    private void CheckSilence(SimVm vm)
    {
        long now = _world.Scheduler.Now;
        foreach (Place place in _peers.Keys.ToList())
        {
            (HostIdentity identity, long heard, bool lost, long told) = _peers[place];
            bool silent = lost || now - heard > SilenceMicros;
            if (silent && !lost)
            {
                _world.Oracle.OnSilence(Place, identity);
            }

            if (silent && (!lost || now - told >= 1_000_000))
            {
                _peers[place] = (identity, heard, true, now);
                vm.Deliver(new PeerLost(identity, LossEvidence.Silence));
            }
        }
    }
}
