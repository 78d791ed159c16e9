using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Devices;

/// <summary>A cable whose other end is the test.</summary>
internal sealed class RecordingBackend : INetworkBackend
{
    private FrameHandler? _received;

    public bool TellsDelivered { get; init; }

    public Action? Delivered { get; set; }

    public List<byte[]> Sent { get; } = [];

    public FrameHandler? Received
    {
        set => _received = value;
    }

    public void Send(ReadOnlySpan<byte> frame)
    {
        if (Sent.Count < 1000)
        {
            Sent.Add(frame.ToArray());
        }
    }

    public void Deliver(ReadOnlySpan<byte> frame) => _received?.Invoke(frame);

    public void Dispose()
    {
    }
}
