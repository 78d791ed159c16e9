using Colo.Vmm.Qmp.Chardevs;

namespace Colo.Vmm.Qmp.Filters;

/// <summary>
/// QEMU's filter-mirror: a copy of every frame goes to a character device, and the frame passes. A peer that does not
/// read costs copies, which are counted, and never holds the guest's network up.
/// </summary>
internal sealed class MirrorFilter : NetFilter
{
    private readonly SocketChardev _output;
    private readonly ChardevFrontend _user;
    private long _lost;

    public MirrorFilter(FilterSettings settings, SocketChardev output, bool hasVnetHeader)
        : base("filter-mirror", settings)
    {
        _output = output;
        _user = new ChardevFrontend(settings.Id, hasVnetHeader);
        output.Attach(_user);
    }

    public override IReadOnlyDictionary<string, object> Properties =>
        new Dictionary<string, object>(base.Properties)
        {
            ["outdev"] = _output.Id,
            ["vnet_hdr_support"] = _user.HasVnetHeader,
            ["x-lost"] = Interlocked.Read(ref _lost),
        };

    public override bool Take(ReadOnlySpan<byte> frame, FilterQueue direction)
    {
        if (!_output.TrySend(frame))
        {
            Interlocked.Increment(ref _lost);
        }

        return false;
    }

    public override void Dispose()
    {
        base.Dispose();
        _output.Detach(_user);
    }
}
