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

    /// <summary>Checks made so far, by invariant: an assertion that never ran proves nothing.</summary>
    public SortedDictionary<string, long> Checked { get; } = new(StringComparer.Ordinal);

    public void OnRelease(SimVm vm, Frame frame, FrameFate fate)
    {
        Count("S1");
        _singleReleaser.OnRelease(vm, frame, fate);
        _outputCommit.OnRelease(vm, frame, fate);
    }

    public void BeforePeerMessage(SimVm vm, PeerMessage message) => _fencing.Before(vm, message);

    public void AfterPeerMessage(SimVm vm, PeerMessage message, bool refusedByCore)
    {
        Count("S3");
        _fencing.After(vm, message, refusedByCore);
    }

    public void OnRecord(ArbiterRecord? before, ArbiterRecord after, ArbiterProposal proposal)
    {
        Count("S4");
        _promotion.OnRecord(before, after, proposal);
    }

    public void OnCapture(SimVm vm, SimImage image) => _epoch.OnCapture(vm, image);

    public void OnLoaded(SimVm vm, SimImage image, SimDisk disk)
    {
        Count("S5");
        Count("S10");
        _epoch.OnLoaded(vm, image, disk);
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
    }

    public void OnStatus(SimVm vm, VmStatus status)
    {
        Count("S15");
        _status.OnStatus(vm, status);
    }

    /// <summary>A check of this invariant was made.</summary>
    public void Count(string id) => Checked[id] = Checked.GetValueOrDefault(id) + 1;
}
