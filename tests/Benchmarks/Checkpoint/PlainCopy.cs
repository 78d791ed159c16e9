using System.Diagnostics;

namespace Colo.Benchmarks.Checkpoint;

/// <summary>
/// The peer of a checkpoint's transfer: the same number of bytes through the same kind of sockets with the same layout
/// of threads (half as many senders as processors, the caller's the first of them; a receiver for each channel), all of
/// them there before the clock starts, from one place in memory to another, and nothing else done with them. It is over
/// for both when the sender knows: the last receiver answers with one byte on a connection of its own. Both places are
/// as large as the bytes are many: a copy from and to one small buffer would never leave the cache.
/// </summary>
internal sealed class PlainCopy : IDisposable
{
    private const int Piece = 256 * 1024;

    private readonly byte[] _source;
    private readonly byte[] _target;
    private readonly (Stream First, Stream Second)[] _ends;
    private readonly Thread[] _receivers;
    private readonly Thread[] _senders;
    private readonly SemaphoreSlim[] _work;
    private readonly (Stream First, Stream Second) _answer = BenchPair.Connect();
    private readonly int[] _sent;
    private int _receiving;
    private volatile int _share;
    private volatile bool _stopping;

    public PlainCopy(int channels, byte[] source, byte[] target)
    {
        _source = source;
        _target = target;
        _sent = new int[channels];
        _ends = [.. Enumerable.Range(0, channels).Select(_ => BenchPair.Connect())];
        _receivers = [.. Enumerable.Range(0, channels).Select(channel => Start(() => Receive(channel)))];
        var senders = Math.Min(channels, Math.Max(1, Environment.ProcessorCount / 2));
        _work = [.. Enumerable.Range(1, senders - 1).Select(_ => new SemaphoreSlim(0))];
        _senders = [.. Enumerable.Range(1, senders - 1).Select(sender => Start(() => Serve(sender)))];
    }

    /// <summary>Copies that many bytes; returns how long it took until the sender knew that the last was in its
    /// place.</summary>
    public TimeSpan Run(int bytes)
    {
        var started = Stopwatch.GetTimestamp();
        _share = bytes / _ends.Length;
        Volatile.Write(ref _receiving, _receivers.Length);
        foreach (var work in _work)
        {
            work.Release();
        }

        Send(0);
        _answer.First.ReadByte();
        return Stopwatch.GetElapsedTime(started);
    }

    public void Dispose()
    {
        _stopping = true;
        foreach (var work in _work)
        {
            work.Release();
        }

        foreach (var (one, _) in _ends)
        {
            one.Dispose();
        }

        foreach (var thread in _receivers.Concat(_senders))
        {
            thread.Join();
        }

        foreach (var (_, other) in _ends)
        {
            other.Dispose();
        }

        _answer.First.Dispose();
        _answer.Second.Dispose();
    }

    private static Thread Start(Action work)
    {
        var thread = new Thread(() => work()) { IsBackground = true };
        thread.Start();
        return thread;
    }

    private void Serve(int sender)
    {
        while (true)
        {
            _work[sender - 1].Wait();
            if (_stopping)
            {
                return;
            }

            Send(sender);
        }
    }

    private void Send(int sender)
    {
        var threads = _senders.Length + 1;
        var share = _share;
        for (var channel = sender; channel < _ends.Length; channel += threads)
        {
            _sent[channel] = 0;
        }

        for (var isMore = true; isMore;)
        {
            isMore = false;
            for (var channel = sender; channel < _ends.Length; channel += threads)
            {
                var count = Math.Min(Piece, share - _sent[channel]);
                if (count > 0)
                {
                    _ends[channel].First.Write(_source.AsSpan(channel * share + _sent[channel], count));
                    _sent[channel] += count;
                    isMore = true;
                }
            }
        }
    }

    private void Receive(int channel)
    {
        var filled = 0;
        while (true)
        {
            // Nothing arrives before the share is known.
            var room = filled == 0 ? _target.AsSpan(channel * (_target.Length / _ends.Length)) : RoomOf(channel, filled);
            var count = _ends[channel].Second.Read(room[..Math.Min(Piece, room.Length)]);
            if (count == 0)
            {
                return;
            }

            filled += count;
            if (filled == _share)
            {
                filled = 0;
                if (Interlocked.Decrement(ref _receiving) == 0)
                {
                    _answer.Second.WriteByte(1);
                }
            }
        }
    }

    private Span<byte> RoomOf(int channel, int filled) =>
        _target.AsSpan(channel * (_target.Length / _ends.Length) + filled, _share - filled);
}
