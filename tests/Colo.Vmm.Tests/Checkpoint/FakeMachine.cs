using System.Buffers;
using System.Buffers.Binary;
using Colo.Vmm.Checkpoint;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Tests.Checkpoint;

/// <summary>
/// A guest that does nothing but write to its RAM, by seeded steps or by a thread of its own. Every write is
/// repeated in a shadow, so that a test can tell whether anybody else has touched the RAM.
/// </summary>
internal sealed class FakeMachine : ICheckpointMachine, IDisposable
{
    public const ulong Base = 0x8000_0000;

    private readonly object _gate = new();
    private readonly byte[] _shadow;
    private readonly byte[] _block = new byte[300];
    private Random _random;
    private Thread? _thread;
    private bool _paused = true;
    private bool _stopping;
    private ulong _clock;

    public FakeMachine(int pages, int seed)
    {
        Ram = new GuestRam(Base, (ulong)pages * GuestRam.PageSize);
        _shadow = new byte[pages * GuestRam.PageSize];
        _random = new Random(seed);
    }

    public GuestRam Ram { get; }

    public bool IsPaused
    {
        get
        {
            lock (_gate)
            {
                return _paused;
            }
        }
    }

    public int PauseCount { get; private set; }

    /// <summary>Extra bytes of device state.</summary>
    public int DeviceBytes { get; set; } = 100;

    /// <summary>What RestoreDevices answers.</summary>
    public string? RestoreError { get; set; }

    public string? CheckError { get; set; }

    /// <summary>Share of steps that write to the first 32 pages.</summary>
    public double HotShare { get; set; } = 0.3;

    public ulong Clock => _clock;

    /// <summary>What the guest does just before its dirty log is looked at.</summary>
    public Action? BeforeCollect { get; set; }

    public void Dispose()
    {
        StopThread();
        Ram.Dispose();
    }

    public void Pause()
    {
        lock (_gate)
        {
            PauseCount += _paused ? 0 : 1;
            _paused = true;
        }
    }

    public void Resume()
    {
        lock (_gate)
        {
            _paused = false;
            System.Threading.Monitor.PulseAll(_gate);
        }
    }

    public DirtyPages CollectDirty()
    {
        lock (_gate)
        {
            BeforeCollect?.Invoke();
            return Ram.SwapDirty();
        }
    }

    public void SaveDevices(IBufferWriter<byte> destination)
    {
        var span = destination.GetSpan(8 + DeviceBytes)[..(8 + DeviceBytes)];
        BinaryPrimitives.WriteUInt64LittleEndian(span, _clock);
        span[8..].Fill((byte)_clock);
        destination.Advance(span.Length);
    }

    public string? CheckDevices(ReadOnlySpan<byte> state) => CheckError;

    public string? RestoreDevices(ReadOnlySpan<byte> state)
    {
        if (RestoreError is not null)
        {
            return RestoreError;
        }

        _clock = BinaryPrimitives.ReadUInt64LittleEndian(state);
        AcceptRam();
        return state[8..].ContainsAnyExcept((byte)_clock) ? "device bytes differ" : null;
    }

    /// <summary>The RAM as it is now is right.</summary>
    public void AcceptRam() => Ram.TryRead(Base, _shadow);

    /// <summary>Another history from here on.</summary>
    public void Reseed(int seed) => _random = new Random(seed);

    /// <summary>True when nothing but this guest has written to its RAM since the last load.</summary>
    public bool IsUntouched()
    {
        lock (_gate)
        {
            var copy = new byte[_shadow.Length];
            Ram.TryRead(Base, copy);
            return copy.AsSpan().SequenceEqual(_shadow);
        }
    }

    public byte[] Snapshot()
    {
        var copy = new byte[_shadow.Length];
        Ram.TryRead(Base, copy);
        return copy;
    }

    /// <summary>Runs steps, unless the machine is paused.</summary>
    public void Step(int count)
    {
        for (var i = 0; i < count; i++)
        {
            lock (_gate)
            {
                if (!_paused)
                {
                    StepOnce();
                }
            }
        }
    }

    /// <summary>Runs steps whether paused or not: what the guest did before the test began.</summary>
    public void Boot(int count)
    {
        lock (_gate)
        {
            for (var i = 0; i < count; i++)
            {
                StepOnce();
            }
        }
    }

    /// <summary>The guest runs by itself from here on.</summary>
    public void StartThread()
    {
        _thread = new Thread(() =>
        {
            while (true)
            {
                lock (_gate)
                {
                    while (_paused && !_stopping)
                    {
                        System.Threading.Monitor.Wait(_gate);
                    }

                    if (_stopping)
                    {
                        return;
                    }

                    for (var i = 0; i < 20; i++)
                    {
                        StepOnce();
                    }
                }

                Thread.Yield();
            }
        })
        { IsBackground = true };
        _thread.Start();
    }

    public void StopThread()
    {
        lock (_gate)
        {
            _stopping = true;
            System.Threading.Monitor.PulseAll(_gate);
        }

        _thread?.Join();
        _thread = null;
        _stopping = false;
    }

    /// <summary>Writes these bytes, in RAM and shadow.</summary>
    public void WriteAt(int offset, ReadOnlySpan<byte> bytes)
    {
        if (!Ram.TryWrite(Base + (ulong)offset, bytes))
        {
            throw new InvalidOperationException($"write at {offset} outside RAM");
        }

        bytes.CopyTo(_shadow.AsSpan(offset));
    }

    private void StepOnce()
    {
        _clock++;
        var pages = Ram.PageCount;
        var page = _random.NextDouble() < HotShare ? _random.Next(Math.Min(32, pages)) : _random.Next(pages);
        switch (_random.Next(8))
        {
            case 0: // a page becomes zero
                WriteAt(page * GuestRam.PageSize, new byte[GuestRam.PageSize]);
                break;
            case 1: // the same bytes again
                WriteAt(page * GuestRam.PageSize, _shadow.AsSpan(page * GuestRam.PageSize, 64).ToArray());
                break;
            case 2: // across a page border
                var length = _random.Next(1, _block.Length);
                var start = Math.Clamp(page * GuestRam.PageSize - length / 2, 0, _shadow.Length - length);
                _random.NextBytes(_block);
                WriteAt(start, _block.AsSpan(0, length));
                break;
            default:
                WriteAt(page * GuestRam.PageSize + _random.Next(500) * 8, BitConverter.GetBytes(_random.NextInt64()));
                break;
        }
    }
}
