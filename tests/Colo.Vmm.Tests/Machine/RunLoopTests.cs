using Colo.Vmm.Block;
using Colo.Vmm.Machine;
using Colo.Vmm.Net;
using Colo.Vmm.Tests.Devices;
using static Colo.Vmm.Tests.Machine.TestMachine;

namespace Colo.Vmm.Tests.Machine;

/// <summary>Who wakes the machine's thread, and when.</summary>
public sealed class RunLoopTests
{
    private const int DiskSlot = 0;
    private const int NicSlot = 1;
    private static readonly TimeSpan HangLimit = TimeSpan.FromMinutes(2);

    /// <summary>A peer on a socket may speak as soon as it is connected; once that ended the process.</summary>
    [Fact]
    public void A_card_may_have_frames_before_the_machine_is_built_and_one_that_does_not_run_yet_gets_them()
    {
        var cable = new EagerCable();
        using VirtMachine machine = New(
            Options with { Nics = [new NicOptions(cable, [0x52, 0x54, 0, 0, 0, 1])] }, LoopForEver);
        using var driver = new MockDriver(machine, NicSlot, 2);
        driver.Start();
        ulong buffer = driver.Allocate(2048);
        driver.Add(0, new RingSegment(buffer, 2048, true));
        driver.Kick(0);
        Assert.Null(driver.TakeUsed(0));
        cable.Deliver([.. Enumerable.Repeat((byte)0xab, 60)]);
        machine.Start();
        (uint Head, uint Written)? used = null;
        Assert.True(SpinWait.SpinUntil(() => (used = driver.TakeUsed(0)) is not null, HangLimit), "no frame came");
        machine.Pause();
        Assert.Equal(72u, used!.Value.Written);
        Assert.Equal(0xab, driver.Fetch(buffer, 72)[71]);
        Assert.Equal(1, machine.Board.Nics[0].Metrics.FramesReceived);
    }

    [Fact]
    public async Task A_pause_that_waits_for_the_disk_ends_with_its_answer_whatever_woke_the_machine_before()
    {
        for (int round = 0; round < 50; round++)
        {
            var disk = new LateDisk(new MemoryDevice(1 << 20)) { IsLate = true };
            MachineOptions options = Options with { Disks = [new DiskOptions(disk, "late")] };
            using VirtMachine machine = New(options, LoopForEver);
            using MockDriver driver = RequestOne(machine);
            ((RecordingBackend)options.Nics[0].Backend).Deliver(new byte[60]);
            machine.Start();
            Task paused = Task.Run(machine.Pause);
            disk.Answer();
            await paused.WaitAsync(HangLimit);
            Assert.Equal(513u, driver.TakeUsed(0)!.Value.Written);
            Assert.Equal(0, machine.Board.RequestsInFlight);
        }
    }

    /// <summary>Once the pause waited for a moment without requests, which such a guest never has.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_guest_whose_disk_queue_refills_itself_can_be_paused_resumed_and_ended(bool isLate)
    {
        // Past the wrap of the index, so that it ends by itself only if somebody stops it.
        var disk = new RefillingDisk { IsLate = isLate, ReadsMax = int.MaxValue };
        using VirtMachine machine = New(Options with { Disks = [new DiskOptions(disk, "refilling")] }, LoopForEver);
        using var driver = new MockDriver(machine, DiskSlot, 1);
        driver.Start();
        RefillingDisk.Prepare(driver);
        Task kicked = Task.Run(() => driver.Kick(0));
        try
        {
            await kicked.WaitAsync(HangLimit);
            machine.Start();
            int seen = 0;
            for (int round = 0; round < 3; round++)
            {
                Assert.True(SpinWait.SpinUntil(() => disk.Reads > seen, HangLimit), $"nothing was read, round {round}");
                await Task.Run(machine.Pause).WaitAsync(HangLimit);
                Assert.Equal(0, machine.Board.RequestsInFlight);
                seen = disk.Reads;
                machine.Resume();
            }

            await Task.Run(machine.Shutdown).WaitAsync(HangLimit);
            Assert.False(driver.NeedsReset);
        }
        finally
        {
            disk.ReadsMax = 0;
            await kicked.WaitAsync(HangLimit);
        }
    }

    /// <summary>Once the order to end was lost when it came just before the thread went to sleep.</summary>
    [Fact]
    public async Task A_machine_that_waits_for_a_disk_which_never_answers_can_be_ended()
    {
        for (int round = 0; round < 200; round++)
        {
            var disk = new LateDisk(new MemoryDevice(1 << 20)) { IsLate = true };
            using VirtMachine machine = New(Options with { Disks = [new DiskOptions(disk, "late")] }, LoopForEver);
            using MockDriver driver = RequestOne(machine);
            machine.Start();
            await Task.Run(machine.Shutdown).WaitAsync(HangLimit);
            Assert.True(machine.Completion.IsCompleted);
        }
    }

    [Fact]
    public void A_timer_that_is_set_while_the_thread_of_the_devices_sleeps_is_due_in_time()
    {
        using VirtMachine machine = New(Options, Wfi, Jump(-4));
        machine.Start();
        HartSlot slot = machine.Board.Harts[0];
        Assert.True(SpinWait.SpinUntil(() => slot.Waiting, HangLimit));
        // As a hart on another thread does.
        Assert.True(machine.Board.Bus.TryWrite(MemoryMap.Aclint + 0x4000, 8, machine.Board.Clock.ReadTime() + 1000));
        const int mip = 0x344;
        const ulong timer = 1 << 7;
        Assert.True(SpinWait.SpinUntil(() => (slot.Hart.ReadCsr(mip) & timer) != 0, HangLimit), "the timer never came");
    }

    /// <summary>The threads of cables, disks and consoles have their own end; a frame that came at the machine's ended
    /// the process once.</summary>
    [Fact]
    public async Task Cables_and_disks_may_speak_while_a_machine_ends_and_when_it_is_gone()
    {
        for (int round = 0; round < 20; round++)
        {
            var cable = new EagerCable();
            var disk = new LateDisk(new MemoryDevice(1 << 20)) { IsLate = true };
            var console = new RecordingConsole();
            VirtMachine machine = New(
                Options with
                {
                    Console = console,
                    Disks = [new DiskOptions(disk, "late")],
                    Nics = [new NicOptions(cable, [0x52, 0x54, 0, 0, 0, 1])],
                },
                LoopForEver);
            using MockDriver driver = RequestOne(machine);
            machine.Start();
            using var gone = new ManualResetEventSlim();
            Task speaking = Task.Run(() =>
            {
                for (int frames = 0; frames < 1000 || !gone.IsSet; frames++)
                {
                    cable.Deliver(new byte[60]);
                }
            });
            machine.Dispose();
            gone.Set();
            await speaking.WaitAsync(HangLimit);
            disk.Answer();
            cable.Deliver(new byte[60]);
            console.Type("x");
            Assert.True(machine.Completion.IsCompletedSuccessfully);
        }
    }

    /// <summary>One read of a sector, in flight when the machine starts.</summary>
    private static MockDriver RequestOne(VirtMachine machine)
    {
        MockDriver driver = new MockDriver(machine, DiskSlot, 1).Start();
        driver.Add(
            0, new RingSegment(driver.Place(new byte[16]), 16, false),
            new RingSegment(driver.Allocate(512), 512, true), new RingSegment(driver.Allocate(1), 1, true));
        driver.Kick(0);
        Assert.Equal(1, machine.Board.RequestsInFlight);
        return driver;
    }

    /// <summary>A cable with a frame on it when it is plugged in.</summary>
    private sealed class EagerCable : INetworkBackend
    {
        private FrameHandler? _received;

        public FrameHandler? Received
        {
            set
            {
                _received = value;
                value?.Invoke(new byte[60]);
            }
        }

        public void Send(ReadOnlySpan<byte> frame)
        {
        }

        public void Deliver(ReadOnlySpan<byte> frame) => _received?.Invoke(frame);

        public void Dispose()
        {
        }
    }
}
