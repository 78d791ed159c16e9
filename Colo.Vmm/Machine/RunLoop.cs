using Colo.Vmm.Cpu;
using Colo.Vmm.Devices;
using Colo.Vmm.Devices.Reset;

namespace Colo.Vmm.Machine;

/// <summary>
/// The machine's thread: runs the harts in turn, lets devices take what comes from outside, and sleeps when all harts wait.
/// <code>
///   parked -> Resume -> running &lt;-> sleeping (all harts in WFI) -> Pause: harts stand, disks drained -> parked
///   running -> power-off, program exit, Stop -> ended
/// </code>
/// Everything that belongs to the board is touched by this thread only, or by others while it is parked. Other threads leave
/// work in the devices' queues and call <see cref="Wake"/>. With a thread for each hart this class becomes one loop a hart
/// and a lock around the devices; its interface stays.
/// </summary>
internal sealed class RunLoop : IMachineWaker, IDisposable
{
    /// <summary>Instructions that a hart runs before the next one has its turn: about 100 microseconds when interpreted.</summary>
    private const long SliceLength = 20_000;

    private readonly HostEvent _event = new();
    private readonly object _gate = new();
    private readonly TaskCompletionSource<MachineExit> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Board _board = null!;
    private Action<MachineEvent> _report = null!;
    private Thread? _thread;
    private volatile bool _pauseRequested = true;
    private volatile bool _stopRequested;
    private volatile bool _sleeping;
    private volatile bool _isParked;
    private int _wakePending;

    /// <summary>Hart whose turn it is; part of the state, like what is left of its slice.</summary>
    public int CurrentHart { get; set; }

    public long SliceRemaining { get; set; } = SliceLength;

    /// <summary>Whether the harts stand; false from the moment the thread goes on after <see cref="Resume"/>.</summary>
    public bool IsParked => _isParked;

    public Task<MachineExit> Completion => _completion.Task;

    public void Attach(Board board, Action<MachineEvent> report)
    {
        _board = board;
        _report = report;
    }

    /// <inheritdoc/>
    public void Wake()
    {
        if (Interlocked.Exchange(ref _wakePending, 1) == 0)
        {
            Interrupt();
        }
    }

    public void Start()
    {
        _thread = new Thread(RunThread) { Name = "colo machine", IsBackground = true };
        _thread.Start();
    }

    /// <summary>Returns when all harts stand at an instruction boundary and no disk request is in flight. Not from the machine's thread.</summary>
    public void Pause()
    {
        _pauseRequested = true;
        if (_thread is null)
        {
            return;
        }

        Interrupt();
        // The harts stop within microseconds; a thread switch would cost more than looking again.
        var spin = default(SpinWait);
        while (!_isParked && !spin.NextSpinWillYield)
        {
            spin.SpinOnce();
        }

        lock (_gate)
        {
            while (!_isParked)
            {
                Monitor.Wait(_gate);
            }
        }
    }

    public void Resume()
    {
        lock (_gate)
        {
            _pauseRequested = false;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Ends the thread; the machine cannot run again.</summary>
    public void Stop(MachineExit exit)
    {
        lock (_gate)
        {
            _stopRequested = true;
            Monitor.PulseAll(_gate);
        }

        Interrupt();
        if (_thread is { } thread && thread != Thread.CurrentThread)
        {
            thread.Join();
        }

        _completion.TrySetResult(exit);
    }

    public void Dispose() => _event.Dispose();

    private void Interrupt()
    {
        foreach (HartSlot slot in _board.Harts)
        {
            slot.Hart.RequestStop();
        }

        // The loop sets _sleeping before its last look at the flags, so either it sees them or we see it.
        Interlocked.MemoryBarrier();
        if (_sleeping)
        {
            _event.Set();
        }
    }

    private void RunThread()
    {
        try
        {
            // Whether Resume came before this thread's first look or comes later: the clock begins to run in one place only.
            Park();
            while (!_stopRequested && Step())
            {
            }
        }
        catch (Exception e)
        {
            // One of the two shells: a defect of the machine must end in a report, not in silence.
            _report(new MachineEvent.Panicked(e));
            _completion.TrySetException(e);
        }

        _board.Clock.Stop();
        lock (_gate)
        {
            // Nobody may wait for a thread that has ended.
            _isParked = true;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>One turn; false when the machine has ended.</summary>
    private bool Step()
    {
        if (_pauseRequested)
        {
            Park();
            return true;
        }

        if (Interlocked.Exchange(ref _wakePending, 0) != 0)
        {
            _board.Service();
        }

        ulong now = _board.Clock.ReadTime();
        _board.Expire(now);
        if (TryRunHart(now))
        {
            return _board.PendingReset is null || TryReset(_board.PendingReset.Value);
        }

        _board.Uart.Flush();
        Sleep();
        return true;
    }

    private bool TryRunHart(ulong now)
    {
        HartSlot[] harts = _board.Harts;
        for (int i = 0; i < harts.Length; i++)
        {
            HartSlot slot = harts[CurrentHart];
            if (slot.IsRunnable(now))
            {
                Run(slot, now);
                return true;
            }

            NextHart();
        }

        return false;
    }

    private void Run(HartSlot slot, ulong now)
    {
        HartStop stop = _board.Run(slot, Budget(now), out long retired);
        SliceRemaining -= retired;
        slot.Waiting |= stop == HartStop.WaitForInterrupt;
        if (stop != HartStop.Interrupted || SliceRemaining <= 0)
        {
            NextHart();
        }

        // A prompt without end of line must be seen although the guest goes on computing.
        _board.Uart.Flush();
        PollHtif();
    }

    /// <summary>By instruction count a slice ends with the next deadline, so that timers fire at an exact instruction.</summary>
    private long Budget(ulong now)
    {
        if (_board.Clock.Mode == ClockMode.RealTime)
        {
            return SliceRemaining;
        }

        ulong deadline = _board.NextDeadline();
        ulong ticks = deadline > now ? deadline - now : 1;
        return ticks > (ulong)SliceRemaining / MachineClock.InstructionsPerTick
            ? SliceRemaining
            : (long)(ticks * MachineClock.InstructionsPerTick);
    }

    private void NextHart()
    {
        CurrentHart = (CurrentHart + 1) % _board.Harts.Length;
        SliceRemaining = SliceLength;
    }

    private void Sleep()
    {
        ulong deadline = _board.NextDeadline();
        if (_board.Clock.Mode == ClockMode.InstructionCount && deadline != ulong.MaxValue)
        {
            _board.Clock.Warp(deadline);
            return;
        }

        _sleeping = true;
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref _wakePending) == 0 && !_pauseRequested && !_stopRequested)
        {
            _event.Wait(TimeUntil(deadline));
        }

        _sleeping = false;
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

    private void Park()
    {
        while (_board.RequestsInFlight > 0 && !_stopRequested)
        {
            _sleeping = true;
            Interlocked.MemoryBarrier();
            if (Interlocked.Exchange(ref _wakePending, 0) == 0)
            {
                _event.Wait(null);
            }

            _sleeping = false;
            _board.ServiceDisks();
        }

        _board.Clock.Stop();
        _board.Uart.Flush();
        lock (_gate)
        {
            _isParked = true;
            Monitor.PulseAll(_gate);
            while (_pauseRequested && !_stopRequested)
            {
                Monitor.Wait(_gate);
            }

            _isParked = false;
        }

        // Frames that arrived meanwhile are looked at first.
        Volatile.Write(ref _wakePending, 1);
        _board.Clock.Run();
    }

    /// <summary>Does what the guest asked of the reset device or the SBI; false when the machine has ended.</summary>
    private bool TryReset(ResetRequest request)
    {
        _board.PendingReset = null;
        if (request.Kind == ResetKind.Reboot)
        {
            _board.Uart.Flush();
            Restart();
            _report(new MachineEvent.Reset(ByGuest: true));
            return true;
        }

        End(new MachineExit(
            request.ExitCode == 0 ? MachineExitReason.GuestShutdown : MachineExitReason.GuestFailure, request.ExitCode));
        return false;
    }

    /// <summary>Power-on again. On the machine's thread or while parked.</summary>
    public void Restart()
    {
        _board.ResetAndLoad();
        CurrentHart = 0;
        SliceRemaining = SliceLength;
    }

    private void End(MachineExit exit)
    {
        _board.Uart.Flush();
        _stopRequested = true;
        _report(new MachineEvent.Shutdown(exit));
        _completion.TrySetResult(exit);
    }

    /// <summary>HTIF: a bare program ends by storing (code &lt;&lt; 1 | 1) to tohost; other values ask the host for a service.</summary>
    private void PollHtif()
    {
        if (_board.Guest.HtifToHost is not { } address || !_board.Ram.TryReadUInt64(address, out ulong value) || value == 0)
        {
            return;
        }

        const ulong DeviceMask = 0xffff_0000_0000_0000;
        if ((value & 1) != 0 && (value & DeviceMask) == 0)
        {
            End(new MachineExit(MachineExitReason.ProgramExit, (int)(value >> 1)));
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
