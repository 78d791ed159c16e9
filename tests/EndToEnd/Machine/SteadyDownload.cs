using System.Net.Sockets;
using System.Text;

namespace Colo.EndToEnd.Machine;

/// <summary>
/// One download over one TCP connection which the client reads at its own pace, so that it is still going on after
/// everything that a test does meanwhile. Every byte is compared with what the guest has to send.
/// </summary>
internal sealed class SteadyDownload : IDisposable
{
    private readonly Socket _socket;
    private readonly byte[] _expected;
    private int _at;

    /// <summary>Call inside the namespace of the client.</summary>
    public SteadyDownload(int length, TimeSpan limit)
    {
        _expected = DebianGuest.ExpectedBlob(length);
        // A small window: the guest cannot send far ahead of what has been read.
        _socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
        {
            ReceiveTimeout = (int)limit.TotalMilliseconds,
            ReceiveBufferSize = 16 << 10,
        };
        _socket.Connect(NetworkNamespace.GuestAddress, 80);
        _socket.Send(Encoding.ASCII.GetBytes($"GET /cgi-bin/blob?{length} HTTP/1.0\r\n\r\n"));
        SkipHeader();
    }

    /// <summary>Bytes of the body that have arrived and are right.</summary>
    public int Received => _at;

    /// <summary>Reads so many bytes more, and compares them.</summary>
    public void Read(int count)
    {
        var buffer = new byte[8192];
        int end = Math.Min(_at + count, _expected.Length);
        while (_at < end)
        {
            int got = _socket.Receive(buffer.AsSpan(0, Math.Min(buffer.Length, end - _at)));
            Assert.True(got > 0, $"the connection was closed after {_at} of {_expected.Length} bytes");
            Assert.True(
                buffer.AsSpan(0, got).SequenceEqual(_expected.AsSpan(_at, got)), $"wrong bytes after {_at} right ones");
            _at += got;
        }
    }

    /// <summary>Reads the rest; the guest closes behind it.</summary>
    public void Finish()
    {
        Read(_expected.Length - _at);
        Assert.Equal(0, _socket.Receive(new byte[1]));
    }

    public void Dispose() => _socket.Dispose();

    private void SkipHeader()
    {
        var header = new StringBuilder();
        var one = new byte[1];
        while (!header.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            Assert.True(_socket.Receive(one) == 1, $"no whole HTTP header: {header}");
            header.Append((char)one[0]);
        }

        Assert.Contains("200", header.ToString());
    }
}
