using System.Buffers;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Machine;

/// <summary>
/// A RISC-V computer laid out like QEMU's <c>virt</c> machine, made to be stopped, saved, copied and resumed at any
/// instruction. Built paused at the entry of its firmware or kernel.
/// <code>
///   built (paused) -> Start -> running &lt;-> Pause / Resume -> ended (guest power-off, program exit, Shutdown)
/// </code>
/// Control calls may come from any thread except the machine's own (a device, a back end's Send, a handler of Reset).
/// </summary>
public sealed class VirtMachine : IDisposable
{
    private readonly Lock _control = new();
    private readonly RunLoop _loop = new();
    private readonly Board _board;
    private readonly MachineStateCodec _codec;
    private bool _started;
    private bool _running;
    private bool _disposed;

    /// <exception cref="ArgumentException">The options are not valid; the message lists all that is wrong.</exception>
    /// <exception cref="LoadException">A file cannot be used.</exception>
    public VirtMachine(MachineOptions options)
    {
        IReadOnlyList<string> errors = options.Validate();
        if (errors.Count > 0)
        {
            throw new ArgumentException(string.Join("; ", errors), nameof(options));
        }

        _board = new Board(options, _loop);
        _loop.Attach(_board, Report);
        _codec = new MachineStateCodec(_board, _loop);
        _loop.Restart();
    }

    /// <summary>Raised as each event's documentation says; handlers must be short.</summary>
    public event Action<MachineEvent>? Changed;

    public MachineOptions Options => _board.Options;

    public GuestRam Ram => _board.Ram;

    /// <summary>Completes when the machine has ended; faults when its thread died of a defect.</summary>
    public Task<MachineExit> Completion => _loop.Completion;

    /// <summary>Whether <see cref="Start"/> has been called.</summary>
    public bool IsStarted => _started;

    public bool IsRunning => _running && !Completion.IsCompleted;

    /// <summary>Instructions retired by all harts since they were reset. Exact only while paused.</summary>
    public ulong InstructionsRetired
    {
        get
        {
            ulong total = 0;
            foreach (HartSlot slot in _board.Harts)
            {
                total += slot.Hart.InstructionsRetired;
            }

            return total;
        }
    }

    internal Board Board => _board;

    /// <summary>Counters of the compiling tier; null when everything is interpreted. Any thread.</summary>
    public TierStatistics? TierStatistics => _board.ReadTierStatistics();

    /// <summary>Whether the machine's thread stands still at this moment.</summary>
    internal bool IsParked => _loop.IsParked;

    /// <summary>Runs the machine for the first time.</summary>
    public void Start()
    {
        lock (_control)
        {
            if (!_started)
            {
                _started = true;
                _running = true;
                _loop.Resume();
                _loop.Start();
            }
        }
    }

    /// <summary>
    /// In place of <see cref="Start"/>, for a simulation: runs a machine that counts instructions on the caller's
    /// thread, for about so many of them. True when there is more to do; false when all harts wait for an interrupt or
    /// for a later time. Between two calls the machine counts as paused.
    /// </summary>
    internal bool RunHere(long instructions) => _loop.RunHere(instructions);

    /// <summary>
    /// Stops the machine. On return all harts stand at an instruction boundary, disk requests in flight are finished,
    /// console output is written, and nothing of the machine changes until <see cref="Resume"/>. Frames that arrive
    /// meanwhile queue in the cards, within bounds. Nothing to do when it stands already.
    /// </summary>
    public void Pause()
    {
        lock (_control)
        {
            if (!_running || Completion.IsCompleted)
            {
                return;
            }

            _running = false;
            _loop.Pause();
        }

        Report(new MachineEvent.Stopped());
    }

    public void Resume()
    {
        lock (_control)
        {
            if (!_started || _running || Completion.IsCompleted)
            {
                return;
            }

            _running = true;
            _loop.Resume();
        }

        Report(new MachineEvent.Resumed());
    }

    /// <summary>Does something while the machine stands, without the events of a pause; for a few microseconds of
    /// looking.</summary>
    internal T WhileStanding<T>(Func<T> action)
    {
        lock (_control)
        {
            bool wasRunning = _running && !Completion.IsCompleted;
            if (wasRunning)
            {
                _loop.Pause();
            }

            try
            {
                return action();
            }
            finally
            {
                if (wasRunning)
                {
                    _loop.Resume();
                }
            }
        }
    }

    /// <summary>Power-on again: devices reset, files loaded again. A machine that stood goes on standing.</summary>
    public void Reset()
    {
        lock (_control)
        {
            bool wasRunning = _running && !Completion.IsCompleted;
            if (wasRunning)
            {
                _loop.Pause();
            }

            _loop.Restart();
            if (wasRunning)
            {
                _loop.Resume();
            }
        }

        Report(new MachineEvent.Reset(ByGuest: false));
    }

    /// <summary>Presses the power button; what the guest does about it is its own affair.</summary>
    public void RequestPowerdown()
    {
        _board.PowerButton?.Press();
        Report(new MachineEvent.PowerdownRequested());
    }

    /// <summary>Ends the machine at once.</summary>
    public void Shutdown()
    {
        var exit = new MachineExit(MachineExitReason.HostRequest, 0);
        bool ended = Completion.IsCompleted;
        _loop.Stop(exit);
        if (!ended)
        {
            Report(new MachineEvent.Shutdown(exit));
        }
    }

    /// <summary>Harts, clock and devices, without RAM. Only while paused. Layout:
    /// docs/protocol-machine-state.md.</summary>
    public void SaveDevices(IBufferWriter<byte> destination)
    {
        RequirePaused();
        _codec.Save(destination);
    }

    /// <summary>
    /// Takes what <see cref="SaveDevices"/> of an equally built machine wrote. Only while paused. Everything is checked
    /// before anything changes; then every device is reset and takes its state. The frames that waited in the cards
    /// are those of the state.
    /// </summary>
    public RestoreResult RestoreDevices(ReadOnlySpan<byte> state)
    {
        RequirePaused();
        return _codec.Restore(state);
    }

    /// <summary>
    /// Moves guest time on, so that it has passed while the machine stood. Only while paused; without effect on a clock
    /// that counts instructions.
    /// </summary>
    public void AdvanceClock(TimeSpan elapsed)
    {
        RequirePaused();
        _board.Clock.Advance(elapsed);
    }

    /// <summary>As <see cref="AdvanceClock"/>, by as much as has passed since the machine was paused.</summary>
    public void CatchUpClock()
    {
        RequirePaused();
        _board.Clock.CatchUp();
    }

    /// <summary>What <see cref="RestoreDevices"/> would say against the state; null: nothing. Changes
    /// nothing.</summary>
    public string? CheckDevices(ReadOnlySpan<byte> state) => _codec.Check(state);

    /// <summary>The whole machine, RAM included. Only while paused.</summary>
    public void Save(Stream destination)
    {
        RequirePaused();
        MachineFile.Save(this, destination);
    }

    /// <summary>
    /// Takes what <see cref="Save"/> wrote. After an error that is found behind the device state the content of RAM is
    /// undefined and the machine must be reset.
    /// </summary>
    public RestoreResult Restore(Stream source)
    {
        RequirePaused();
        return MachineFile.Restore(this, source);
    }

    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _loop.Stop(new MachineExit(MachineExitReason.HostRequest, 0));
            _board.Dispose();
            _loop.Dispose();
        }
    }

    private void RequirePaused()
    {
        if (IsRunning)
        {
            throw new InvalidOperationException("the machine is running; its state can only be taken or replaced while it is paused");
        }
    }

    private void Report(MachineEvent change) => Changed?.Invoke(change);
}
