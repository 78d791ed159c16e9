using System.Net.Sockets;
using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

/// <summary>
/// Drives a comparer through its sockets one frame at a time: after each frame a marker datagram goes into both
/// inputs, and when it comes out everything before it has been decided.
/// </summary>
internal sealed class CompareRig : IDisposable
{
    private const int MarkerPort = 65001;
    private readonly FrameStreamEndpoint primary;
    private readonly FrameStreamEndpoint secondary;
    private readonly FrameStreamEndpoint output;
    private readonly Lock gate = new();
    private readonly SemaphoreSlim markerSeen = new(0);
    private readonly List<byte[]> released = [];
    private byte marker;

    public CompareRig(Socket primary, Socket secondary, Socket output)
    {
        this.primary = new FrameStreamEndpoint(primary);
        this.secondary = new FrameStreamEndpoint(secondary);
        this.output = new FrameStreamEndpoint(output);
        this.output.Start(Receive);
    }

    public void Primary(byte[] frame) => Send(primary, frame);

    public void Secondary(byte[] frame) => Send(secondary, frame);

    /// <summary>Waits until all that was sent is decided, and returns what has been released so far.</summary>
    public byte[][] Settle()
    {
        var frame = TestFrames.Udp([++marker], MarkerPort, MarkerPort);
        Send(primary, frame);
        Send(secondary, frame);
        Assert.True(markerSeen.Wait(TimeSpan.FromSeconds(60)), $"marker {marker} did not come back within 30 s: output {output.CloseReason}, inputs {primary.CloseReason} {secondary.CloseReason}, "
            + $"{released.Count} released");
        lock (gate)
        {
            return [.. released];
        }
    }

    public void Dispose()
    {
        primary.Dispose();
        secondary.Dispose();
        output.Dispose();
        markerSeen.Dispose();
    }

    private static void Send(FrameStreamEndpoint endpoint, byte[] frame) => Assert.True(endpoint.TrySend(frame), endpoint.CloseReason);

    private bool Receive(ReadOnlySpan<byte> payload, int vnetHeaderLength)
    {
        var view = FrameView.Parse(payload);
        if (view.Kind == FrameKind.Udp && view.SourcePort == MarkerPort)
        {
            markerSeen.Release();
            return true;
        }
        lock (gate)
        {
            released.Add(payload.ToArray());
        }
        return true;
    }
}
