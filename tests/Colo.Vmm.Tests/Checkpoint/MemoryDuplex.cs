namespace Colo.Vmm.Tests.Checkpoint;

/// <summary>Two connected blocking streams in memory, with a bounded buffer in each direction.</summary>
internal sealed class MemoryDuplex : Stream
{
    private readonly Buffer _in;
    private readonly Buffer _out;

    private MemoryDuplex(Buffer incoming, Buffer outgoing)
    {
        _in = incoming;
        _out = outgoing;
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public static (Stream First, Stream Second) Pair(int capacity = 256 * 1024)
    {
        var a = new Buffer(capacity);
        var b = new Buffer(capacity);
        return (new MemoryDuplex(a, b), new MemoryDuplex(b, a));
    }

    public override int Read(Span<byte> buffer) => _in.Read(buffer);

    public override void Write(ReadOnlySpan<byte> buffer) => _out.Write(buffer);

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        _in.Close();
        _out.Close();
        base.Dispose(disposing);
    }

    private sealed class Buffer(int capacity)
    {
        private readonly byte[] _bytes = new byte[capacity];
        private readonly object _gate = new();
        private int _start;
        private int _count;
        private bool _closed;

        public int Read(Span<byte> target)
        {
            lock (_gate)
            {
                while (_count == 0 && !_closed)
                {
                    System.Threading.Monitor.Wait(_gate);
                }

                var count = Math.Min(Math.Min(_count, target.Length), capacity - _start);
                _bytes.AsSpan(_start, count).CopyTo(target);
                _start = (_start + count) % capacity;
                _count -= count;
                System.Threading.Monitor.PulseAll(_gate);
                return count;
            }
        }

        public void Write(ReadOnlySpan<byte> source)
        {
            lock (_gate)
            {
                while (source.Length > 0)
                {
                    while (_count == capacity && !_closed)
                    {
                        System.Threading.Monitor.Wait(_gate);
                    }

                    if (_closed)
                    {
                        throw new IOException("the stream is closed");
                    }

                    var end = (_start + _count) % capacity;
                    var count = Math.Min(Math.Min(capacity - _count, source.Length), capacity - end);
                    source[..count].CopyTo(_bytes.AsSpan(end));
                    source = source[count..];
                    _count += count;
                    System.Threading.Monitor.PulseAll(_gate);
                }
            }
        }

        public void Close()
        {
            lock (_gate)
            {
                _closed = true;
                System.Threading.Monitor.PulseAll(_gate);
            }
        }
    }
}
