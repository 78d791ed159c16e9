using System.Net;
using System.Net.Sockets;
using Colo.Vmm.Block;

namespace Colo.Vmm.Tests.Block;

/// <summary>Two ends of a link, and a receiver on one of them.</summary>
internal sealed class LinkPair : IDisposable
{
    private Thread? _receiver;

    public LinkPair()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        var near = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        near.Connect(listener.LocalEndPoint!);
        Near = new NetworkStream(near, ownsSocket: true);
        var far = listener.Accept();
        far.NoDelay = true;
        Far = new NetworkStream(far, ownsSocket: true);
    }

    public NetworkStream Near { get; }

    public NetworkStream Far { get; }

    public DiskLinkReceiver Receive(DiskBuffer buffer, ulong term, bool shared = false, DirtyBitmap? bitmap = null)
    {
        var receiver = new DiskLinkReceiver(Far, buffer, term, shared, bitmap);
        _receiver = new Thread(receiver.Run) { IsBackground = true };
        _receiver.Start();
        return receiver;
    }

    public void Dispose()
    {
        Near.Dispose();
        Far.Dispose();
        _receiver?.Join();
    }
}
