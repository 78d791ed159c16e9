using System.Diagnostics;
using Colo.Vmm.Cpu;

namespace Colo.Vmm.Machine;

/// <summary>
/// One of the machine's threads with the harts that it runs: all of them in turn, or one. Sleeps when all its harts
/// wait. The machine's first runner also serves the devices.
/// </summary>
internal sealed class HartRunner : IDisposable
{
    /// <summary>A hart alone on its thread runs for about as long as this between looks at its timer, in guest ticks of
    /// 100 ns.</summary>
    private const ulong SliceTicksLow = 500;

    private const ulong SliceTicksHigh = 2000;
    private const long OwnSliceMin = 5_000;
    private const long OwnSliceMax = 2_000_000;

    private readonly RunLoop _loop;
    private readonly Board _board;
    private readonly HartSlot[] _slots;
    private readonly int _index;
    private readonly HostEvent _event = new();
    private readonly bool _inTurn;
    private long _ownSlice = RunLoop.SliceLength;
    private Thread? _thread;
    private volatile bool _sleeping;

    public HartRunner(RunLoop loop, Board board, HartSlot[] slots, int index)
    {
        _loop = loop;
        _board = board;
        _slots = slots;
        _index = index;
        _inTurn = slots.Length > 1 || board.Clock.Mode == ClockMode.InstructionCount;
        foreach (HartSlot slot in slots)
        {
            slot.Runner = this;
        }
    }

    public void Start(ThreadStart body)
    {
        _thread = new Thread(body) { Name = _index == 0 ? "colo machine" : $"colo hart {_index}", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Whether this is the thread that calls.</summary>
    public bool IsCurrent => _thread == Thread.CurrentThread;

    public void Join()
    {
        if (_thread is { } thread && thread != Thread.CurrentThread)
        {
            thread.Join();
        }
    }

    public void Dispose() => _event.Dispose();

    /// <summary>Makes the thread look at the loop's flags. Any thread.</summary>
    public void Interrupt()
    {
        foreach (HartSlot slot in _slots)
        {
            slot.Hart.RequestStop();
        }

        WakeIfSleeping();
    }

    /// <summary>Something has changed that a sleeping hart may wait for. Any thread.</summary>
    public void WakeIfSleeping()
    {
        // The thread sets _sleeping before its last look, so either it sees the change or we see it.
        Interlocked.MemoryBarrier();
        if (_sleeping)
        {
            _event.Set();
        }
    }

    /// <summary>Sleeps until <see cref="RunLoop.Wake"/>, or until the machine ends; it stands meanwhile.</summary>
    public void WaitForWake()
    {
        _sleeping = true;
        Interlocked.MemoryBarrier();
        if (!_loop.TakeWake() && !_loop.IsEnding)
        {
            _event.Wait(null);
        }

        _sleeping = false;
    }

    /// <summary>One turn: something is done, or slept.</summary>
    public void Step(bool isFirst)
    {
        if (!TryStep(isFirst, long.MaxValue))
        {
            Sleep(isFirst);
        }
    }

    /// <summary>One turn of at most so many instructions; false, and no sleep, when all harts wait.</summary>
    public bool TryStep(bool isFirst, long limit)
    {
        ulong now = _board.Clock.ReadTime();
        if (isFirst)
        {
            Serve(now);
            if (_board.PendingReset is not null)
            {
                _loop.TakeReset();
                return true;
            }
        }

        if (!TryRunHart(now, limit))
        {
            lock (_board.DeviceLock)
            {
                _board.Uart.Flush();
            }

            return false;
        }

        if (isFirst && _board.PendingReset is not null)
        {
            _loop.TakeReset();
        }

        return true;
    }

    private void Serve(ulong now)
    {
        // By instruction count the outside is looked at between slices only, wherever a pause may have stopped them.
        bool wake = (!_loop.CountsInstructions || _loop.SliceRemaining == RunLoop.SliceLength) && _loop.TakeWake();
        lock (_board.DeviceLock)
        {
            if (wake)
            {
                _board.Service();
            }

            _board.Expire(now);
        }
    }

    private bool TryRunHart(ulong now, long limit)
    {
        for (int i = 0; i < _slots.Length; i++)
        {
            HartSlot slot = _slots.Length == 1 ? _slots[0] : _slots[_loop.CurrentHart];
            if (slot.IsRunnable(now))
            {
                Run(slot, now, limit);
                return true;
            }

            NextHart();
        }

        return false;
    }

    private void Run(HartSlot slot, ulong now, long limit)
    {
        long start = Stopwatch.GetTimestamp();
        long budget = Math.Min(Budget(), limit);
        HartStop stop = _board.Run(slot, budget, out long retired);
        slot.RunningTicks += Stopwatch.GetTimestamp() - start;
        slot.FinishRun(stop);
        if (_inTurn)
        {
            _loop.SliceRemaining -= retired;
            // Whoever interrupts at the very end of the budget must not make a difference.
            if (stop != HartStop.Interrupted || retired >= budget)
            {
                NextHart();
            }
        }
        else if (stop == HartStop.Budget)
        {
            AdaptSlice(_board.Clock.ReadTime() - now);
        }

        lock (_board.DeviceLock)
        {
            // A prompt without end of line must be seen although the guest goes on computing.
            _board.Uart.Flush();
            PollHtif();
        }
    }

    /// <summary>By instruction count a slice ends with the next deadline, so that timers fire at an exact
    /// instruction.</summary>
    private long Budget()
    {
        if (!_inTurn)
        {
            return _ownSlice;
        }

        if (_board.Clock.Mode == ClockMode.RealTime)
        {
            return _loop.SliceRemaining;
        }

        return (long)Math.Min((ulong)_loop.SliceRemaining, _board.Clock.InstructionsUntil(_board.NextDeadline()));
    }

    private void AdaptSlice(ulong ticks)
    {
        if (ticks < SliceTicksLow)
        {
            _ownSlice = Math.Min(_ownSlice * 2, OwnSliceMax);
        }
        else if (ticks > SliceTicksHigh)
        {
            _ownSlice = Math.Max(_ownSlice / 2, OwnSliceMin);
        }
    }

    private void NextHart()
    {
        if (_inTurn)
        {
            _loop.CurrentHart = (_loop.CurrentHart + 1) % _slots.Length;
            _loop.SliceRemaining = RunLoop.SliceLength;
        }
    }

    private void Sleep(bool isFirst)
    {
        ulong deadline = isFirst ? _board.NextDeadline(_slots) : _slots[0].WakeDeadline;
        if (_board.Clock.Mode == ClockMode.InstructionCount && deadline != ulong.MaxValue)
        {
            _board.Clock.Warp(deadline);
            return;
        }

        _sleeping = true;
        Interlocked.MemoryBarrier();
        if (!_loop.MustNotSleep && _board.PendingReset is null && !AnyRunnable())
        {
            _event.Wait(TimeUntil(deadline));
        }

        _sleeping = false;
    }

    private bool AnyRunnable()
    {
        ulong now = _board.Clock.ReadTime();
        foreach (HartSlot slot in _slots)
        {
            if (slot.IsRunnable(now))
            {
                return true;
            }
        }

        return false;
    }

    private TimeSpan? TimeUntil(ulong deadline)
    {
        if (deadline == ulong.MaxValue)
        {
            return null;
        }

        ulong now = _board.Clock.ReadTime();
        const ulong Hour = 36_000_000_000;
        // A guest tick and a TimeSpan tick are both 100 ns.
        return TimeSpan.FromTicks(deadline <= now ? 0 : (long)Math.Min(deadline - now, Hour));
    }

    /// <summary>HTIF: a bare program ends by storing (code &lt;&lt; 1 | 1) to tohost; other values ask the host for a
    /// service.</summary>
    private void PollHtif()
    {
        if (_board.Guest.HtifToHost is not { } address || !_board.Ram.TryReadUInt64(address, out ulong value) || value == 0)
        {
            return;
        }

        const ulong DeviceMask = 0xffff_0000_0000_0000;
        if ((value & 1) != 0 && (value & DeviceMask) == 0)
        {
            _loop.End(new MachineExit(MachineExitReason.ProgramExit, (int)(value >> 1)));
            return;
        }

        const ulong ConsoleWrite = 0x0101_0000_0000_0000;
        if ((value & DeviceMask) == ConsoleWrite)
        {
            _board.Uart.WriteDirect([(byte)value]);
        }

        _board.Ram.TryWriteUInt64(address, 0);
        if (_board.Guest.HtifFromHost is { } answer)
        {
            _board.Ram.TryWriteUInt64(answer, 1);
        }
    }
}
