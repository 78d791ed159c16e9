using Colo.Vmm.Qmp.Chardevs;
using Colo.Vmm.Qmp.Parts;
using Colo.Vmm.Qmp.Replication;

namespace Colo.Vmm.Qmp.Filters;

/// <summary>
/// QEMU's filter-redirector: frames go to one character device instead of on, frames from another one are put behind
/// this filter. While nobody is connected to the output they pass, as in QEMU; the chain sees to it that a secondary's
/// still do not leave. While a checkpoint is loaded what comes in waits on its connection, because the card would lose
/// it; while the filter is off it waits as well.
/// </summary>
internal sealed class RedirectorFilter : NetFilter, IReplicationPart
{
    private static readonly TimeSpan ArrivalMax = TimeSpan.FromSeconds(1);
    private readonly ReplicationHooks _hooks;
    private readonly SocketChardev? _input;
    private readonly SocketChardev? _output;
    private readonly ChardevFrontend _user;
    private readonly ChardevFrontend _inputUser;
    private readonly ManualResetEventSlim _wait = new();
    private volatile bool _isHeld;
    private long _lost;

    public RedirectorFilter(
        FilterSettings settings, SocketChardev? input, SocketChardev? output, bool hasVnetHeader,
        ReplicationHooks hooks)
        : base("filter-redirector", settings)
    {
        _hooks = hooks;
        _input = input;
        _output = output;
        _user = new ChardevFrontend(settings.Id, hasVnetHeader);
        output?.Attach(_user);
        _inputUser = _user with { Receive = Inject };
        try
        {
            input?.Attach(_inputUser);
        }
        catch (QmpFailureException)
        {
            output?.Detach(_user);
            throw;
        }
    }

    public override IReadOnlyDictionary<string, object> Properties =>
        new Dictionary<string, object>(base.Properties)
        {
            ["indev"] = _input?.Id ?? "",
            ["outdev"] = _output?.Id ?? "",
            ["vnet_hdr_support"] = _user.HasVnetHeader,
            ["x-lost"] = Interlocked.Read(ref _lost),
        };

    public override bool Take(ReadOnlySpan<byte> frame, FilterQueue direction)
    {
        if (_output is null || (!_output.IsConnected && _hooks.Role == ReplicationRole.None))
        {
            return false;
        }

        // In a pair a frame that finds no comparer is lost like one on a cable: no answer leaves unseen.
        if (!_output.TrySend(frame))
        {
            Interlocked.Increment(ref _lost);
        }

        return true;
    }

    /// <summary>
    /// The guest stands. What it sent belongs to the state that a checkpoint is about to replace, and frames carry no
    /// epoch here: it has to be on the primary's host before the checkpoint goes on. A peer that does not take it
    /// within a second costs at most another checkpoint.
    /// </summary>
    void IReplicationPart.Paused()
    {
        _isHeld = _input is not null;
        var limit = System.Diagnostics.Stopwatch.StartNew();
        while (_output is { HasArrived: false } && limit.Elapsed < ArrivalMax)
        {
            _wait.Wait(1);
        }
    }

    void IReplicationPart.Resuming()
    {
        _isHeld = false;
        _input?.Resume();
    }

    public override void Dispose()
    {
        base.Dispose();
        _output?.Detach(_user);
        _input?.Detach(_inputUser);
        _wait.Dispose();
    }

    protected override void Switch(bool isOn)
    {
        base.Switch(isOn);
        if (isOn)
        {
            _input?.Resume();
        }
    }

    private bool Inject(ReadOnlySpan<byte> frame, int vnetHeaderLength)
    {
        if (!IsOn || _isHeld)
        {
            return false;
        }

        ReadOnlySpan<byte> ethernet = frame[vnetHeaderLength..];
        if ((Queue & FilterQueue.Tx) != 0)
        {
            Chain.PassOn(this, ethernet, FilterQueue.Tx);
        }

        if ((Queue & FilterQueue.Rx) != 0)
        {
            Chain.PassOn(this, ethernet, FilterQueue.Rx);
        }

        return true;
    }
}
