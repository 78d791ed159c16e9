using Colo.Vmm.Qmp.Parts;
using Colo.Vmm.Qmp.Replication;

namespace Colo.Vmm.Qmp.Filters;

/// <summary>
/// One filter on the way between a guest's card and its back end. It passes a frame on or takes it; what it takes it
/// may put back behind itself. While it is off, frames pass it by. When a secondary takes over, its filters switch
/// themselves off, the rewriter excepted.
/// </summary>
internal abstract class NetFilter : IMachineObject, IReplicationPart
{
    private volatile bool _isOn;

    protected NetFilter(string type, FilterSettings settings)
    {
        Type = type;
        Id = settings.Id;
        Chain = settings.Chain;
        Queue = settings.Queue;
        _isOn = settings.IsOn;
    }

    public string Id { get; }

    public string Type { get; }

    public FilterQueue Queue { get; }

    public bool IsOn => _isOn;

    public virtual IReadOnlyDictionary<string, object> Properties => new Dictionary<string, object>
    {
        ["netdev"] = Chain.Id,
        ["queue"] = Queue switch { FilterQueue.Tx => "tx", FilterQueue.Rx => "rx", _ => "all" },
        ["status"] = IsOn ? "on" : "off",
    };

    protected FilterChain Chain { get; }

    /// <summary>True: the frame is taken. The span is valid during the call. Any thread, several at a time.</summary>
    public abstract bool Take(ReadOnlySpan<byte> frame, FilterQueue direction);

    public virtual void Set(string name, QmpFields value)
    {
        if (name != "status")
        {
            throw new QmpFailureException($"Property '{Type}.{name}' is not settable, expected status");
        }

        Switch(value.Choice("value", null, "on", "off") == "on");
    }

    public virtual string? FailedOver(ReplicationRole role)
    {
        if (role == ReplicationRole.Secondary)
        {
            Switch(false);
        }

        return null;
    }

    public virtual void Dispose() => Chain.Remove(this);

    protected virtual void Switch(bool isOn) => _isOn = isOn;
}
