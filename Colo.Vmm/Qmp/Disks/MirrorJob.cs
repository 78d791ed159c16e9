using System.Text.Json.Nodes;
using Colo.Vmm.Block;

namespace Colo.Vmm.Qmp.Disks;

/// <summary>
/// QEMU's mirror job: copies a disk to a target while the guest goes on writing, then keeps it equal.
/// <code>running -all copied-> ready -cancelled-> concluded (the target is whole); error or force -> concluded</code>
/// Events: JOB_STATUS_CHANGE, BLOCK_JOB_READY, BLOCK_JOB_COMPLETED, BLOCK_JOB_CANCELLED. A chunk that the guest changes
/// while it is copied is copied again.
/// </summary>
internal sealed class MirrorJob : IDisposable
{
    /// <summary>Bytes of one bit, and of one request.</summary>
    private const int Chunk = 256 * 1024;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50);
    private readonly MachineDisk _source;
    private readonly IBlockDevice _target;
    private readonly Action<string, JsonObject?> _raise;
    private readonly Action<MirrorJob> _ended;
    private readonly Lock _gate = new();
    private readonly bool[] _dirty;
    private readonly ManualResetEventSlim _wake = new();
    private readonly ManualResetEventSlim _over = new();
    private readonly Thread _thread;
    private int _dirtyCount;
    private long _copied;
    private volatile bool _isReady;
    private volatile bool _finish;
    private volatile bool _force;

    /// <param name="id">Of the job.</param>
    /// <param name="nodeName">Of the target.</param>
    /// <param name="source">The guest's disk.</param>
    /// <param name="target">Of the same size; disposed of with the job.</param>
    /// <param name="full">Everything; false: only what changes from now on.</param>
    /// <param name="raise">Sends an event.</param>
    /// <param name="ended">Called on the job's thread when it is over.</param>
    public MirrorJob(
        string id, string nodeName, MachineDisk source, IBlockDevice target, bool full,
        Action<string, JsonObject?> raise, Action<MirrorJob> ended)
    {
        Id = id;
        NodeName = nodeName;
        _source = source;
        _target = target;
        _raise = raise;
        _ended = ended;
        _dirty = new bool[(source.SizeBytes + Chunk - 1) / Chunk];
        Array.Fill(_dirty, full);
        _dirtyCount = full ? _dirty.Length : 0;
        _thread = new Thread(Run) { IsBackground = true, Name = $"colo job {id}" };
    }

    public string Id { get; }

    public string NodeName { get; }

    public bool IsReady => _isReady;

    public void Start()
    {
        Status("created");
        Status("running");
        _source.Job = this;
        _thread.Start();
    }

    /// <summary>A change of the source is done; called while its range is held.</summary>
    public void Mark(long offset, long length)
    {
        lock (_gate)
        {
            for (long chunk = offset / Chunk; chunk <= (offset + Math.Max(length, 1) - 1) / Chunk; chunk++)
            {
                _dirtyCount += _dirty[chunk] ? 0 : 1;
                _dirty[chunk] = true;
            }
        }

        _wake.Set();
    }

    /// <summary>Ends the job: with what has been written copied when it is ready, or at once.</summary>
    public void Cancel(bool force)
    {
        _force |= force || !_isReady;
        _finish = true;
        _wake.Set();
    }

    /// <summary>Whether the job has ended within the time.</summary>
    public bool WaitForEnd(TimeSpan limit) => _over.Wait(limit);

    public void Yank() => (_target as Block.Nbd.NbdClient)?.Yank();

    public JsonObject Show()
    {
        (long length, long copied) = Progress();
        return new JsonObject
        {
            ["type"] = "mirror",
            ["device"] = Id,
            ["len"] = length,
            ["offset"] = copied,
            ["busy"] = !_isReady,
            ["paused"] = false,
            ["speed"] = 0,
            ["io-status"] = "ok",
            ["ready"] = _isReady,
            ["status"] = _isReady ? "ready" : "running",
            ["auto-finalize"] = true,
            ["auto-dismiss"] = true,
        };
    }

    public void Dispose()
    {
        Cancel(force: true);
        Yank();
        if (_thread.IsAlive && Thread.CurrentThread != _thread)
        {
            _thread.Join();
        }
    }

    private void Run()
    {
        string? error = null;
        byte[] buffer = GC.AllocateUninitializedArray<byte>(Chunk);
        int next = 0;
        while (error is null && !_force)
        {
            if (TryTakeDirty(ref next, out int chunk))
            {
                error = Copy(chunk, buffer);
                continue;
            }

            if (_finish)
            {
                break;
            }

            if (!_isReady)
            {
                _isReady = true;
                Status("ready");
                _raise("BLOCK_JOB_READY", Data(null));
            }

            _wake.Wait(Look);
            _wake.Reset();
        }

        error ??= _force ? null : Flush();
        _source.Job = null;
        _target.Dispose();
        bool isCancelled = error is null && _force;
        Status(error is null && !isCancelled ? "waiting" : "aborting");
        _ended(this);
        _raise(isCancelled ? "BLOCK_JOB_CANCELLED" : "BLOCK_JOB_COMPLETED", Data(error));
        Status("concluded");
        Status("null");
        _over.Set();
    }

    private bool TryTakeDirty(ref int next, out int chunk)
    {
        lock (_gate)
        {
            for (int i = 0; _dirtyCount > 0 && i < _dirty.Length; i++)
            {
                chunk = (next + i) % _dirty.Length;
                if (_dirty[chunk])
                {
                    // Cleared before it is read: a change that comes meanwhile sets it again.
                    _dirty[chunk] = false;
                    _dirtyCount--;
                    next = (chunk + 1) % _dirty.Length;
                    return true;
                }
            }
        }

        chunk = 0;
        return false;
    }

    private string? Copy(int chunk, byte[] buffer)
    {
        long offset = (long)chunk * Chunk;
        int length = (int)Math.Min(Chunk, _source.SizeBytes - offset);
        Memory<byte> part = buffer.AsMemory(0, length);
        BlockStatus status = _source.ReadAsync(offset, part).AsTask().GetAwaiter().GetResult();
        if (status != BlockStatus.Ok)
        {
            return $"reading {length} bytes at {offset}: {status}";
        }

        ValueTask<BlockStatus> write = part.Span.ContainsAnyExcept((byte)0)
            ? _target.WriteAsync(offset, part)
            : _target.WriteZeroesAsync(offset, length, mayUnmap: true);
        status = write.AsTask().GetAwaiter().GetResult();
        Interlocked.Add(ref _copied, length);
        return status == BlockStatus.Ok ? null : $"writing {length} bytes at {offset}: {status}";
    }

    private string? Flush() =>
        _target.FlushAsync().AsTask().GetAwaiter().GetResult() is var status && status == BlockStatus.Ok
            ? null
            : $"flush: {status}";

    private (long Length, long Copied) Progress()
    {
        lock (_gate)
        {
            long copied = Interlocked.Read(ref _copied);
            return (copied + Math.Min((long)_dirtyCount * Chunk, _source.SizeBytes), copied);
        }
    }

    private void Status(string status) =>
        _raise("JOB_STATUS_CHANGE", new JsonObject { ["status"] = status, ["id"] = Id });

    private JsonObject Data(string? error)
    {
        (long length, long copied) = Progress();
        var data = new JsonObject
        {
            ["type"] = "mirror",
            ["device"] = Id,
            ["len"] = length,
            ["offset"] = copied,
            ["speed"] = 0,
        };
        if (error is not null)
        {
            data["error"] = error;
        }

        return data;
    }
}
