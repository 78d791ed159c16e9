using Colo.Vmm.Net;

namespace Colo.Vmm.Qmp.Chardevs;

/// <summary>
/// Who uses a character device: a filter or a comparer. <c>HasVnetHeader</c>: frames carry the length of a virtio-net
/// header. <c>Receive</c> takes a frame, or says no and is offered it again; <c>BatchEnd</c> follows what one receive
/// brought; <c>Drained</c> is called when there is room again after a frame was refused.
/// </summary>
internal sealed record ChardevFrontend(string Id, bool HasVnetHeader)
{
    public StreamFrameHandler? Receive { get; init; }

    public Action? BatchEnd { get; init; }

    public Action? Drained { get; init; }
}
