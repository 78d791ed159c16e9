using Colo.Vmm.Devices;
using Colo.Vmm.Devices.Reset;

namespace Colo.Vmm.Machine;

/// <summary>
/// Starts, stops and ends the machine's threads: one that runs all harts in turn, or one for each hart.
/// <code>
///   parked -> Resume -> running &lt;-> sleeping (hart in WFI) -> Pause: harts stand, disks drained -> parked
///   running -> power-off, program exit, Stop -> ended
/// </code>
/// The first thread owns the machine: only it serves devices, parks, resets and ends, after the others stand. Harts on
/// threads of their own share nothing but RAM, whose pages have their own protocol (<see cref="Memory.GuestRam"/>), and
/// the board, which is touched under <see cref="Board.DeviceLock"/> only, or by anyone while the machine is parked.
/// Threads from outside leave work in the devices' queues and call <see cref="Wake"/>.
/// </summary>
internal sealed class RunLoop : IMachineWaker, IDisposable
{
    /// <summary>Instructions that a hart runs before the next one has its turn: about 100 microseconds when
    /// interpreted.</summary>
    public const long SliceLength = 20_000;

    private readonly object _gate = new();
    private readonly TaskCompletionSource<MachineExit> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Board _board = null!;
    private Action<MachineEvent> _report = null!;
    private HartRunner[] _runners = [];
    private volatile bool _pauseRequested = true;
    private volatile bool _othersHeld = true;
    private volatile bool _stopRequested;
    private volatile bool _isParked;
    private bool _started;
    private int _standing;
    private int _wakePending;
    private MachineExit? _exit;

    /// <summary>Hart whose turn it is; part of the state, like what is left of its slice.</summary>
    public int CurrentHart { get; set; }

    public long SliceRemaining { get; set; } = SliceLength;

    /// <summary>Whether the harts stand; false from the moment the threads go on after <see cref="Resume"/>.</summary>
    public bool IsParked => _isParked;

    public Task<MachineExit> Completion => _completion.Task;

    /// <summary>Whether the first thread has something to do before it may sleep.</summary>
    public bool MustNotSleep => Volatile.Read(ref _wakePending) != 0 || _pauseRequested || _stopRequested || _othersHeld;

    /// <summary>Whether the threads are to end. Set before the threads are woken.</summary>
    public bool IsEnding => _stopRequested;

    /// <summary>
    /// Guest time is a function of the instructions retired. Then what comes from outside must not stop the harts
    /// wherever they are: it waits for the end of the slice, some 100 microseconds. What a hart itself causes, through
    /// a device, stops it behind the access, the same in every run.
    /// </summary>
    public bool CountsInstructions { get; private set; }

    public void Attach(Board board, Action<MachineEvent> report)
    {
        _board = board;
        _report = report;
        CountsInstructions = board.Clock.Mode == ClockMode.InstructionCount;
        _runners = board.Options.UsesHartThreads
            ? [.. board.Harts.Select((slot, i) => new HartRunner(this, board, [slot], i))]
            : [new HartRunner(this, board, board.Harts, 0)];
    }

    /// <inheritdoc/>
    public void Wake()
    {
        // A card may have a frame before the machine is built: the first thread looks before it sleeps.
        bool isFirst = Interlocked.Exchange(ref _wakePending, 1) == 0;
        if (_runners is not [HartRunner first, ..])
        {
            return;
        }

        if (!CountsInstructions)
        {
            if (isFirst)
            {
                first.Interrupt();
            }
        }
        else if (first.IsCurrent)
        {
            first.Interrupt();
        }
        else
        {
            first.WakeIfSleeping();
        }
    }

    /// <summary>Whether <see cref="Wake"/> was called since the last time this was asked.</summary>
    public bool TakeWake() => Interlocked.Exchange(ref _wakePending, 0) != 0;

    public void Start()
    {
        _started = true;
        foreach (HartRunner runner in _runners)
        {
            runner.Start(() => RunThread(runner));
        }
    }

    /// <summary>
    /// In place of <see cref="Start"/>: runs the harts in turn on the caller's thread, for about so many instructions.
    /// True when there is more to do; false when all harts wait for an interrupt or for a later time.
    /// </summary>
    public bool RunHere(long instructions)
    {
        if (_started || _board.Clock.Mode != ClockMode.InstructionCount)
        {
            throw new InvalidOperationException(
                "only a machine that counts instructions and was never started can be stepped");
        }

        ulong start = _board.InstructionsRun;
        while (_exit is null && _board.InstructionsRun - start is var done && done < (ulong)instructions)
        {
            if (!_runners[0].TryStep(isFirst: true, instructions - (long)done))
            {
                return false;
            }
        }

        return _exit is null;
    }

    /// <summary>Returns when all harts stand at an instruction boundary and no disk request is in flight. Not from the
    /// machine's threads.</summary>
    public void Pause()
    {
        _pauseRequested = true;
        if (!_started)
        {
            return;
        }

        InterruptAll();
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

    /// <summary>Ends the threads; the machine cannot run again.</summary>
    public void Stop(MachineExit exit)
    {
        RequestEnd();
        foreach (HartRunner runner in _runners)
        {
            runner.Join();
        }

        _completion.TrySetResult(exit);
    }

    public void Dispose()
    {
        foreach (HartRunner runner in _runners)
        {
            runner.Dispose();
        }
    }

    /// <summary>The machine has ended by itself. From one of its threads.</summary>
    public void End(MachineExit exit)
    {
        lock (_gate)
        {
            _exit ??= exit;
        }

        RequestEnd();
    }

    /// <summary>Power-on again. On the first thread with the others standing, or while parked.</summary>
    public void Restart()
    {
        _board.ResetAndLoad();
        CurrentHart = 0;
        SliceRemaining = SliceLength;
    }

    /// <summary>Does what the guest asked of the reset device or the SBI. On the first thread.</summary>
    public void TakeReset()
    {
        HoldOthers();
        ResetRequest? taken;
        lock (_board.DeviceLock)
        {
            taken = _board.PendingReset;
            _board.PendingReset = null;
            _board.Uart.Flush();
        }

        if (taken is { Kind: ResetKind.Reboot })
        {
            Restart();
            _report(new MachineEvent.Reset(ByGuest: true));
        }
        else if (taken is { } request)
        {
            End(new MachineExit(
                request.ExitCode == 0 ? MachineExitReason.GuestShutdown : MachineExitReason.GuestFailure, request.ExitCode));
        }

        ReleaseOthers();
    }

    private bool MustStand => _othersHeld || _pauseRequested || _board.PendingReset is not null;

    private void RequestEnd()
    {
        lock (_gate)
        {
            _stopRequested = true;
            Monitor.PulseAll(_gate);
        }

        InterruptAll();
    }

    private void InterruptAll()
    {
        foreach (HartRunner runner in _runners)
        {
            runner.Interrupt();
        }
    }

    private void RunThread(HartRunner runner)
    {
        bool isFirst = runner == _runners[0];
        try
        {
            if (isFirst)
            {
                // Whether Resume came before this thread's first look or comes later: the clock begins to run in one
                // place only.
                Park();
            }

            while (!_stopRequested)
            {
                if (isFirst && _pauseRequested)
                {
                    Park();
                }
                else if (!isFirst && MustStand)
                {
                    Stand();
                }
                else
                {
                    runner.Step(isFirst);
                }
            }
        }
        catch (Exception e)
        {
            // One of the two shells: a defect of the machine must end in a report, not in silence.
            _report(new MachineEvent.Panicked(e));
            _completion.TrySetException(e);
            RequestEnd();
        }

        if (isFirst)
        {
            Finish();
        }
    }

    /// <summary>A thread other than the first waits until it may run again.</summary>
    private void Stand()
    {
        if (_board.PendingReset is not null)
        {
            _runners[0].Interrupt();
        }

        lock (_gate)
        {
            _standing++;
            Monitor.PulseAll(_gate);
            while (MustStand && !_stopRequested)
            {
                Monitor.Wait(_gate);
            }

            _standing--;
        }
    }

    /// <summary>Returns when all threads but the first stand.</summary>
    private void HoldOthers()
    {
        _othersHeld = true;
        for (int i = 1; i < _runners.Length; i++)
        {
            _runners[i].Interrupt();
        }

        lock (_gate)
        {
            while (_standing < _runners.Length - 1 && !_stopRequested)
            {
                Monitor.Wait(_gate);
            }
        }
    }

    private void ReleaseOthers()
    {
        lock (_gate)
        {
            _othersHeld = false;
            Monitor.PulseAll(_gate);
        }
    }

    private void Park()
    {
        HoldOthers();
        while (_board.RequestsInFlight > 0 && !_stopRequested)
        {
            _runners[0].WaitForWake();
            lock (_board.DeviceLock)
            {
                _board.ServiceDisks();
            }
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

        if (!CountsInstructions)
        {
            // Frames that arrived meanwhile are looked at first. By instruction count no disk is waited for above, so
            // no notice of them was taken, and to look without need would make a difference.
            Volatile.Write(ref _wakePending, 1);
        }

        _board.Clock.Run();
        ReleaseOthers();
    }

    /// <summary>The last act of the first thread: nothing of the machine moves when others hear that it has
    /// ended.</summary>
    private void Finish()
    {
        for (int i = 1; i < _runners.Length; i++)
        {
            _runners[i].Join();
        }

        _board.Clock.Stop();
        lock (_gate)
        {
            // Nobody may wait for a thread that has ended.
            _isParked = true;
            Monitor.PulseAll(_gate);
        }

        if (_exit is { } exit)
        {
            _board.Uart.Flush();
            _report(new MachineEvent.Shutdown(exit));
            _completion.TrySetResult(exit);
        }
    }
}
