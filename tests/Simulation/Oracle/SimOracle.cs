using Colo.Actors.Arbiter;
using Colo.Actors.Network;
using Colo.Actors.Protocol;

namespace Colo.Simulation.Oracle;

/// <summary>Sees everything, decides nothing: passes each observation to the checkers, one a file.</summary>
public sealed class SimOracle(SimWorld world)
{
    private readonly OutputCommitChecker _outputCommit = new(world);
    private readonly SingleReleaserChecker _singleReleaser = new(world);
    private readonly FencingChecker _fencing = new(world);
    private readonly PromotionChecker _promotion = new(world);
    private readonly EpochChecker _epoch = new();
    private readonly InputChecker _input = new();
    private readonly CheckpointBudgetChecker _budget = new(world);
    private readonly HonestStatusChecker _status = new(world);
    private readonly SpeculationChecker _speculation = new(world);
    private readonly MergeChecker _merge = new();
    private readonly SharedDiskChecker _sharedDisk = new(world);
    private readonly FateChecker _fate = new(world);
    private readonly DelayChecker _delay = new(world);

    /// <summary>Checks made so far, by invariant: an assertion that never ran proves nothing.</summary>
    public SortedDictionary<string, long> Checked { get; } = new(StringComparer.Ordinal);

    public void OnRelease(SimVm vm, Frame frame, FrameFate fate)
    {
        Count("S1");
        _fate.OnRelease(vm);
        _singleReleaser.OnRelease(vm, frame, fate);
        _outputCommit.OnRelease(vm, frame, fate);
    }

    public void BeforePeerMessage(SimVm vm, PeerMessage message) => _fencing.Before(vm, message);

    public void AfterPeerMessage(SimVm vm, PeerMessage message, bool refusedByCore)
    {
        Count("S3");
        _fencing.After(vm, message, refusedByCore);
    }

    /// <param name="forgotten">The witness does not know <paramref name="before"/> any more.</param>
    public void OnRecord(ArbiterRecord? before, ArbiterRecord after, ArbiterProposal proposal, bool forgotten)
    {
        Count("S4");
        _promotion.OnRecord(before, after, proposal, forgotten);
        _delay.OnRecord(before, after);
    }

    /// <summary>A guest is booted from its host's disk.</summary>
    public void OnBoot(SimVm vm) => PromotionChecker.OnBoot(vm);

    /// <summary>More than a delay has happened.</summary>
    public void OnWorse() => _delay.OnWorse();

    public void OnBeat(Place at, HostIdentity from) => _delay.OnBeat(at, from);

    /// <summary>A host has decided that it does not hear a peer any more.</summary>
    public void OnSilence(Place at, HostIdentity peer) => _delay.OnSilence(at, peer);

    /// <summary>Something of a slow host has taken so long.</summary>
    public void OnDelay(long micros) => _delay.OnDelay(micros);

    public void OnCapture(SimVm vm, SimImage image) => _epoch.OnCapture(vm, image);

    public void OnLoaded(SimVm vm, SimImage image, SimDisk disk)
    {
        Count("S5");
        Count("S10");
        _epoch.OnLoaded(vm, image, disk);
        _speculation.OnLoaded(vm, image);
    }

    public void OnGuestGone(SimVm vm) => _speculation.OnGone(vm);

    public void OnGuestRead(SimVm vm, int sector, ulong value)
    {
        Count("S9");
        _speculation.OnRead(vm, sector, value);
    }

    public void OnGuestWrite(SimVm vm, int sector, ulong value) => _speculation.OnWrite(vm, sector, value);

    /// <summary>What a guest wrote reaches its disk.</summary>
    public void OnDiskWrite(SimVm vm, int sector, ulong value) => _merge.OnWrite(vm, sector, value);

    /// <summary>A host changes the disk that all of them open.</summary>
    public void OnDiskTouched(SimVm vm)
    {
        Count("S2");
        _sharedDisk.OnTouched(vm);
    }

    public void OnMergeBegins(SimVm vm, long epoch) => _merge.OnBegins(vm, epoch);

    /// <summary>A host has lost its power, and with it what its disk had of these sectors since it was
    /// flushed.</summary>
    public void OnCacheLost(Place place, SimDisk disk, IReadOnlyList<int> sectors) =>
        _merge.OnCacheLost(place, disk, sectors);

    public void OnDiskReplaced(Place place) => _merge.OnReplaced(place);

    /// <summary>The merge is over, or a host starts again: then it has been finished from its list.</summary>
    public void OnMerged(Place place, SimDisk disk)
    {
        if (_merge.OnMerged(place, disk))
        {
            Count("S11");
        }
    }

    /// <summary>The guest that answers to the outside has sent a frame.</summary>
    public void OnSubmit(SimVm vm) => _fate.OnSubmit(vm);

    public void OnDropped(SimVm vm, int frames, string reason) => _fate.OnDropped(vm, frames, reason);

    /// <summary>Looked at every 100 ms.</summary>
    public void OnWatch()
    {
        Count("S13");
        Checked["L2"] = Checked.GetValueOrDefault("L2") + (_delay.Applies ? 1 : 0);
        _fate.OnWatch();
    }

    public void OnCommit(SimVm vm, SimImage image) => _outputCommit.OnCommit(vm, image);

    public void OnMirrored(SimVm vm, long serial, long last)
    {
        Count("S12");
        _input.OnMirrored(vm, serial, last);
    }

    public void OnEvent(SimVm vm, HostEvent happened) => _budget.OnEvent(vm, happened);

    /// <summary>Looked at every 100 ms while no fault is active.</summary>
    public void OnQuiet()
    {
        Count("L3");
        _budget.OnQuiet();
        _fate.OnQuiet();
    }

    public void OnStatus(SimVm vm, VmStatus status)
    {
        Count("S15");
        _status.OnStatus(vm, status);
    }

    /// <summary>A check of this invariant was made.</summary>
    public void Count(string id) => Checked[id] = Checked.GetValueOrDefault(id) + 1;
}
