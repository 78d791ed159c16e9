using System.Buffers;
using System.Buffers.Binary;
using Colo.Vmm.Checkpoint;
using Colo.Vmm.Machine;
using Colo.Vmm.Memory;

namespace Colo.Actors.Vm.Embedded;

/// <summary>
/// The embedded machine as checkpoints see it. Whether the guest may run is the protocol's decision, not the
/// mechanism's: a checkpoint pauses it and lets it go on only if <see cref="MayRun"/> says so.
/// </summary>
internal sealed class GuestMachine : ICheckpointMachine, IDisposable
{
    private const string TooShort = "the device state is too short";
    private const string Ended = "the machine here has ended, and runs no other state any more";

    private readonly VirtMachine machine;
    private readonly GuestNetwork network;
    private readonly Lock gate = new();
    private readonly GuestThrottle throttle;
    private readonly ArrayBufferWriter<byte> machineState = new(256 << 10);
    private readonly Action<IBufferWriter<byte>> saveMachine;
    private readonly MachineLoad loadMachine;
    private bool mayRun;
    private bool paused;
    private bool capturing;
    private bool held;
    private volatile bool ended;

    public GuestMachine(VirtMachine machine, GuestNetwork network, TimeProvider time)
    {
        this.machine = machine;
        this.network = network;
        saveMachine = SaveMachine;
        loadMachine = state => machine.RestoreDevices(state).Error;
        throttle = new GuestThrottle(Hold, LetGo, time);
    }

    public VirtMachine Machine => machine;

    public GuestRam Ram => machine.Ram;

    /// <summary>The guest has powered itself off. The machine never runs again, whatever is loaded into it.</summary>
    public bool HasEnded => ended;

    /// <summary>Whether the guest runs when no mechanism holds it.</summary>
    public bool MayRun
    {
        get
        {
            lock (gate)
            {
                return mayRun;
            }
        }
    }

    public void NoteEnd() => ended = true;

    /// <summary>Lets the guest run, at once unless a capture holds it: then its <see cref="Resume"/> does, because a
    /// guest that ran between the parts of an image would tear it (S5). Any other pause ends here: a receiver whose
    /// primary is lost may not come to its own.</summary>
    public void Allow()
    {
        lock (gate)
        {
            mayRun = true;
            if (capturing)
            {
                return;
            }

            paused = false;
            RunUnlessHeld();
        }
    }

    public void Forbid()
    {
        lock (gate)
        {
            mayRun = false;
            machine.Pause();
        }
    }

    /// <summary>The next <see cref="Resume"/> leaves the guest paused.</summary>
    public void ForbidFromNextPause()
    {
        lock (gate)
        {
            mayRun = false;
        }
    }

    public void Pause()
    {
        lock (gate)
        {
            paused = true;
            machine.Pause();
        }
    }

    /// <summary>A capture's pause, which ends by <see cref="Resume"/> only.</summary>
    public void PauseForCapture()
    {
        lock (gate)
        {
            capturing = true;
            Pause();
        }
    }

    public void Resume()
    {
        lock (gate)
        {
            capturing = false;
            paused = false;
            if (mayRun)
            {
                RunUnlessHeld();
            }
        }
    }

    /// <summary>Lets the guest stand still for this share of its time (0 to 1); its clock goes on.</summary>
    public void Throttle(double share) => throttle.Set(share);

    /// <summary>u32 big-endian length of the machine's part, that part, then the network's.</summary>
    public void SaveDevices(IBufferWriter<byte> destination) => network.Capture(destination, saveMachine);

    public string? CheckDevices(ReadOnlySpan<byte> state) =>
        HasEnded ? Ended : TrySplit(state, out ReadOnlySpan<byte> own, out _) ? machine.CheckDevices(own) : TooShort;

    public string? RestoreDevices(ReadOnlySpan<byte> state)
    {
        if (!TrySplit(state, out ReadOnlySpan<byte> own, out ReadOnlySpan<byte> cards))
        {
            return TooShort;
        }

        return network.Load(own, cards, loadMachine);
    }

    public void AdvanceClock(TimeSpan elapsed) => machine.AdvanceClock(elapsed);

    /// <summary>What the log of written pages has is of the past: the peer stands at the same image as this guest,
    /// which stands too.</summary>
    public void CollectFromHere()
    {
        lock (gate)
        {
            _ = machine.Ram.SwapDirty();
        }
    }

    /// <summary>The guest's clock does not stop for this: it happens many times a second, and the replica's has no such
    /// pauses.</summary>
    public DirtyPages CollectDirty()
    {
        lock (gate)
        {
            bool ran = machine.IsRunning;
            machine.Pause();
            try
            {
                DirtyPages written = machine.Ram.SwapDirty();
                if (ran)
                {
                    machine.CatchUpClock();
                }

                return written;
            }
            finally
            {
                if (mayRun)
                {
                    RunUnlessHeld();
                }
            }
        }
    }

    public void Dispose()
    {
        throttle.Dispose();
        machine.Dispose();
    }

    private static bool TrySplit(ReadOnlySpan<byte> state, out ReadOnlySpan<byte> own, out ReadOnlySpan<byte> cards)
    {
        int length = state.Length < 4 ? -1 : BinaryPrimitives.ReadInt32BigEndian(state);
        bool fits = length >= 0 && length <= state.Length - 4;
        own = fits ? state.Slice(4, length) : default;
        cards = fits ? state[(4 + length)..] : default;
        return fits;
    }

    private void SaveMachine(IBufferWriter<byte> destination)
    {
        machineState.ResetWrittenCount();
        machine.SaveDevices(machineState);
        BinaryPrimitives.WriteInt32BigEndian(destination.GetSpan(4), machineState.WrittenCount);
        destination.Advance(4);
        destination.Write(machineState.WrittenSpan);
    }

    private void Hold()
    {
        lock (gate)
        {
            held = machine.IsRunning;
            if (held)
            {
                machine.Pause();
            }
        }
    }

    private void LetGo()
    {
        lock (gate)
        {
            if (!held)
            {
                return;
            }

            held = false;
            if (mayRun && !paused)
            {
                machine.CatchUpClock();
                Run();
            }
        }
    }

    private void RunUnlessHeld()
    {
        if (!held)
        {
            Run();
        }
    }

    private void Run()
    {
        if (machine.IsStarted)
        {
            machine.Resume();
        }
        else
        {
            machine.Start();
        }
    }
}
