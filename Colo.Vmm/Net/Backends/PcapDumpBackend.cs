using System.Buffers.Binary;

namespace Colo.Vmm.Net.Backends;

/// <summary>
/// Records the frames of both directions in a pcap file (libpcap 2.4, Ethernet, microseconds) and hands them on to
/// another back end, or drops them when there is none. The file is complete after <see cref="Dispose"/>; while
/// running it lags by at most a second of traffic. The first error of the file, of a full disk for example, ends the
/// recording and is said once; the frames go on.
/// </summary>
public sealed class PcapDumpBackend : INetworkBackend
{
    private const int SnapLength = 65550;
    private readonly INetworkBackend? _inner;
    private readonly string _path;
    private readonly Action<string>? _ended;
    private readonly Stream _file;
    private readonly TimeProvider _timeProvider;
    private readonly Lock _lock = new();
    private long _lastFlush;
    private bool _isOver;
    private bool _disposed;

    /// <param name="path">Made anew.</param>
    /// <param name="inner">Disposed of with this; null: frames go nowhere else.</param>
    /// <param name="timeProvider">For the times of frames.</param>
    /// <param name="ended">Told once why nothing more is recorded, on the thread that had the frame.</param>
    public PcapDumpBackend(
        string path, INetworkBackend? inner, TimeProvider timeProvider, Action<string>? ended = null)
        : this(path, inner, timeProvider, ended,
            new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, 1 << 16))
    {
    }

    internal PcapDumpBackend(
        string path, INetworkBackend? inner, TimeProvider timeProvider, Action<string>? ended, Stream file)
    {
        _path = path;
        _inner = inner;
        _timeProvider = timeProvider;
        _ended = ended;
        _file = file;
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
                Close();
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
            if (_disposed || _isOver)
            {
                return;
            }

            try
            {
                _file.Write(header);
                _file.Write(frame[..kept]);
                if (microseconds - _lastFlush > 1_000_000)
                {
                    _file.Flush();
                    _lastFlush = microseconds;
                }
            }
            catch (Exception e) when (PacketCapture.IsOfFile(e))
            {
                // The thread is a hart's or the inner back end's: let out, it would end the guest or the process.
                Stop(e);
            }
        }
    }

    private void Close()
    {
        try
        {
            _file.Dispose();
        }
        catch (Exception e) when (PacketCapture.IsOfFile(e))
        {
            // What was still in its buffer.
            Stop(e);
        }
    }

    private void Stop(Exception problem)
    {
        if (!_isOver)
        {
            _isOver = true;
            _ended?.Invoke($"packets are no longer recorded in {_path}: {problem.Message}");
        }
    }
}
