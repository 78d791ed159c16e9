using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

/// <summary>
/// A TCP stack with the application above it. The guest echoes what a client sends, and on the first byte of a
/// connection opens one back to the client and streams over it; the client does the reverse. What the application
/// says depends only on the bytes it read, except at "free" offsets, where each replica invents its own byte.
/// </summary>
internal sealed class ModelHost(bool isGuest, int seed, bool hasFreeBytes, bool ipv6, int streamLength)
{
    private Dictionary<(int Local, int Remote), ModelConnection> connections = [];

    // What the card has put into the guest's memory and its stack has not looked at yet: a part of every image.
    private Queue<byte[]> ring = [];

    public Random Random { get; } = new(seed);

    public IEnumerable<ModelConnection> Connections => connections.Values;

    public string? Failure { get; private set; }

    public static byte Content(int port, int offset) => (byte)((offset * 31) + (offset >> 8) + port);

    public static bool IsFree(int offset) => offset % 997 == 500;

    /// <summary>Another machine that runs this one's state.</summary>
    public void Load(ModelHost image)
    {
        connections = image.connections.ToDictionary(p => p.Key, p => p.Value.Clone());
        ring = new Queue<byte[]>(image.ring.Select(frame => (byte[])[.. frame]));
    }

    /// <summary>A frame reaches the guest's memory; its stack takes it up some time later.</summary>
    public void Arrive(byte[] frame) => ring.Enqueue([.. frame]);

    public ModelConnection Open(int localPort, int remotePort)
    {
        var connection = Add(localPort, remotePort, isActive: true);
        return connection;
    }

    public void Receive(byte[] frame, int now)
    {
        var view = FrameView.Parse(frame);
        if (!TestFrames.HasRightTcpChecksum(frame))
        {
            Fail("wrong TCP checksum");
            return;
        }
        if (!connections.TryGetValue((view.DestinationPort, view.SourcePort), out var connection))
        {
            if ((view.TcpFlags & (TcpFlags.Syn | TcpFlags.Ack)) != TcpFlags.Syn)
            {
                Fail($"segment {view.TcpFlags} for unknown connection {view.DestinationPort}");
                return;
            }
            connection = Add(view.DestinationPort, view.SourcePort, isActive: false);
        }
        if (connection.Receive(view, now) is { } wrong)
        {
            Fail($"port {connection.LocalPort} to {connection.RemotePort}: {wrong} ({view.TcpFlags} seq {view.Sequence} ack "
                + $"{view.Acknowledgement} length {view.PayloadLength})");
        }
    }

    public void Run(int now, Action<byte[]> send)
    {
        while (ring.Count > 0 && Random.Next(3) != 0)
        {
            Receive(ring.Dequeue(), now);
        }
        foreach (var connection in connections.Values.ToArray())
        {
            RunApplication(connection);
            connection.Output(Random, now, send);
        }
    }

    private void RunApplication(ModelConnection connection)
    {
        var isSource = connection.IsActive;
        if (isSource)
        {
            // The opener streams and then ends; the other echoes.
            while (connection.Written.Count < streamLength)
            {
                connection.Written.Add(Content(connection.LocalPort, connection.Written.Count));
            }
            connection.IsWriteClosed = true;
            for (; connection.AppRead < connection.Read.Count; connection.AppRead++)
            {
                var expected = (byte)(Content(connection.LocalPort, connection.AppRead) ^ 0x5A);
                if (connection.Read[connection.AppRead] != expected && !(hasFreeBytes && IsFree(connection.AppRead)))
                {
                    Fail($"port {connection.LocalPort}: byte {connection.AppRead} of the echo is wrong");
                }
            }
            return;
        }
        if (isGuest && connection.AppRead == 0 && connection.Read.Count > 0)
        {
            Open(connection.RemotePort + 20000, connection.RemotePort + 10000);
        }
        for (; connection.AppRead < connection.Read.Count; connection.AppRead++)
        {
            var isFree = hasFreeBytes && isGuest && IsFree(connection.AppRead);
            connection.Written.Add(isFree ? (byte)Random.Next(256) : (byte)(connection.Read[connection.AppRead] ^ 0x5A));
        }
        connection.IsWriteClosed |= connection.IsReadClosed;
    }

    private ModelConnection Add(int localPort, int remotePort, bool isActive)
    {
        if (connections.TryGetValue((localPort, remotePort), out var known))
        {
            return known;
        }
        var connection = new ModelConnection
        {
            LocalPort = localPort,
            RemotePort = remotePort,
            IsGuest = isGuest,
            Ipv6 = ipv6,
            IsActive = isActive,
            // Half of the streams cross the wrap early.
            InitialSequence = Random.Next(2) == 0 ? unchecked((uint)-Random.Next(1, 4000)) : (uint)Random.NextInt64(1L << 32),
            ClockBase = Random.Next(2) == 0 ? unchecked((uint)-Random.Next(1, 4000)) : (uint)Random.NextInt64(1L << 32),
        };
        connections.Add((localPort, remotePort), connection);
        return connection;
    }

    private void Fail(string what) => Failure ??= what;
}
