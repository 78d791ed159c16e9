using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Colo.Vmm.Net.Backends;

namespace Colo.Vmm.Tests.Net.Backends;

public class StreamBackendTests
{
    private static readonly TimeSpan HangLimit = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData("tcp:localhost")]
    [InlineData("tcp::80")]
    [InlineData("unix:")]
    [InlineData("tcp:h:99999")]
    [InlineData("udp:h:1")]
    public void Impossible_endpoint_is_named_in_the_error(string text)
    {
        Assert.False(StreamEndpoint.TryParse(text, out _, out string error));
        Assert.Contains(text, error);
    }

    /// <summary>What no socket takes is refused here, and not on the thread that connects later.</summary>
    [Theory]
    [InlineData("unix:", 'ä', 60, "the path has 120 bytes, expected 1 to 107")]
    [InlineData("unix:", 'a', 108, "the path has 108 bytes, expected 1 to 107")]
    [InlineData("tcp:", 'h', 300, "the host has 300 characters, expected 1 to 253")]
    public void Endpoint_that_is_too_long_says_how_long_it_may_be(
        string scheme, char letter, int count, string expected)
    {
        string text = scheme + new string(letter, count) + (scheme == "tcp:" ? ":1" : "");
        Assert.False(StreamEndpoint.TryParse(text, out _, out string error));
        Assert.Equal($"'{text}': {expected}", error);
    }

    [Fact]
    public void Longest_endpoints_that_are_taken_can_be_resolved()
    {
        Assert.True(StreamEndpoint.TryParse("unix:" + new string('a', 107), out StreamEndpoint path, out _));
        Assert.Equal(AddressFamily.Unix, path.Resolve().AddressFamily);
        Assert.True(StreamEndpoint.TryParse($"tcp:{new string('h', 253)}:1", out StreamEndpoint host, out _));
        Assert.ThrowsAny<SocketException>(host.Resolve);
    }

    [Fact]
    public async Task Frames_travel_with_their_length_in_front()
    {
        using var backend = new StreamBackend(new StreamEndpoint(null, "127.0.0.1", 0), listen: true);
        var received = new TaskCompletionSource<byte[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        backend.Received = frame => received.TrySetResult(frame.ToArray());
        using var peer = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await peer.ConnectAsync(IPAddress.Loopback, backend.LocalPort);
        await peer.SendAsync(new byte[] { 0, 0, 0 });
        await peer.SendAsync(new byte[] { 3, 7, 8, 9 });
        Assert.Equal([7, 8, 9], await received.Task.WaitAsync(HangLimit));

        // The peer has been taken by now, so frames of the guest reach it.
        backend.Send([1, 2, 3, 4, 5]);
        var header = new byte[9];
        int got = 0;
        while (got < header.Length)
        {
            got += await peer.ReceiveAsync(header.AsMemory(got)).AsTask().WaitAsync(HangLimit);
        }

        Assert.Equal(5u, BinaryPrimitives.ReadUInt32BigEndian(header));
        Assert.Equal([1, 2, 3, 4, 5], header[4..]);
    }

    [Fact]
    public async Task Length_above_the_limit_ends_the_connection()
    {
        using var backend = new StreamBackend(new StreamEndpoint(null, "127.0.0.1", 0), listen: true);
        using var peer = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await peer.ConnectAsync(IPAddress.Loopback, backend.LocalPort);
        await peer.SendAsync(new byte[] { 0x7f, 0, 0, 0 });
        int got = 1;
        try
        {
            got = await peer.ReceiveAsync(new byte[1]).WaitAsync(HangLimit);
        }
        catch (SocketException)
        {
            got = 0;
        }

        Assert.Equal(0, got);
    }

    [Fact]
    public void Frames_without_a_peer_are_dropped_and_counted()
    {
        using var backend = new StreamBackend(new StreamEndpoint(null, "127.0.0.1", 0), listen: true);
        backend.Send([1]);
        Assert.Equal(1, backend.Metrics.FramesDropped);
    }
}
