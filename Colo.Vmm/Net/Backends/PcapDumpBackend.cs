using System.Buffers.Binary;

namespace Colo.Vmm.Net.Backends;

/// <summary>
/// Records the frames of both directions in a pcap file (libpcap 2.4, Ethernet, microseconds) and hands them on to
/// another back end, or drops them when there is none. The file is complete after <see cref="Dispose"/>; while
/// running it lags by at most a second of traffic.
/// </summary>
public sealed class PcapDumpBackend : INetworkBackend
{
    private const int SnapLength = 65550;
    private readonly INetworkBackend? _inner;
    private readonly FileStream _file;
    private readonly TimeProvider _timeProvider;
    private readonly Lock _lock = new();
    private long _lastFlush;
    private bool _disposed;

    public PcapDumpBackend(string path, INetworkBackend? inner, TimeProvider timeProvider)
    {
        _inner = inner;
        _timeProvider = timeProvider;
        _file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, 1 << 16);
        Span<byte> header = stackalloc byte[24];
        header.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header, 0xa1b2c3d4);
        BinaryPrimitives.WriteUInt16LittleEndian(header[4..], 2);
        BinaryPrimitives.WriteUInt16LittleEndian(header[6..], 4);
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], SnapLength);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], 1);
        _file.Write(header);
    }

    public FrameHandler? Received
    {
        set
        {
            if (_inner is null)
            {
                return;
            }

            _inner.Received = value is null ? null : frame =>
            {
                Record(frame);
                value(frame);
            };
        }
    }

    public void Flush() => _inner?.Flush();

    public void Send(ReadOnlySpan<byte> frame)
    {
        Record(frame);
        _inner?.Send(frame);
    }

    public void Dispose()
    {
        _inner?.Dispose();
        lock (_lock)
        {
            if (!_disposed)
            {
                _disposed = true;
                _file.Dispose();
            }
        }
    }

    private void Record(ReadOnlySpan<byte> frame)
    {
        long microseconds = (_timeProvider.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / 10;
        int kept = Math.Min(frame.Length, SnapLength);
        Span<byte> header = stackalloc byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(header, (uint)(microseconds / 1_000_000));
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], (uint)(microseconds % 1_000_000));
        BinaryPrimitives.WriteInt32LittleEndian(header[8..], kept);
        BinaryPrimitives.WriteInt32LittleEndian(header[12..], frame.Length);
        lock (_lock)
        {
            if (_disposed)
            {
                return;
            }

            _file.Write(header);
            _file.Write(frame[..kept]);
            if (microseconds - _lastFlush > 1_000_000)
            {
                _file.Flush();
                _lastFlush = microseconds;
            }
        }
    }
}
