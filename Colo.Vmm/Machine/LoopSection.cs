using Colo.Vmm.Devices;

namespace Colo.Vmm.Machine;

/// <summary>The scheduling of the harts as a section of the state, so that a reproducible run goes on with the same
/// trace.</summary>
internal sealed class LoopSection(Board board, RunLoop loop) : IStatefulDevice
{
    public string SectionTag => "LOOP";

    public ushort StateVersion => 1;

    public void Reset()
    {
    }

    public void Save(StateWriter writer)
    {
        writer.UInt8((byte)board.Harts.Length);
        writer.UInt8((byte)loop.CurrentHart);
        writer.Int64(loop.SliceRemaining);
        foreach (HartSlot slot in board.Harts)
        {
            writer.UInt8((byte)slot.Status);
            writer.Bool(slot.Waiting);
            writer.UInt64(slot.SbiTimer);
        }
    }

    public DeviceState? Decode(ref StateReader reader, ushort version)
    {
        int count = reader.UInt8("loop.harts");
        reader.Require(count == board.Harts.Length, "loop.harts", (ulong)count, $"{board.Harts.Length}");
        int current = reader.UInt8("loop.current");
        reader.Require(current < board.Harts.Length, "loop.current", (ulong)current, $"less than {board.Harts.Length}");
        long remaining = reader.Int64("loop.slice");
        reader.Require(remaining is > 0 and <= 1 << 30, "loop.slice", (ulong)remaining, "1 to 2^30");
        var harts = new LoopHartState[board.Harts.Length];
        for (int i = 0; i < harts.Length && !reader.Failed; i++)
        {
            byte status = reader.UInt8("loop.status");
            reader.Require(status <= (byte)HartStatus.Suspended, "loop.status", status, "0 to 4");
            harts[i] = new LoopHartState((HartStatus)status, reader.Bool("loop.waiting"), reader.UInt64("loop.timer"));
        }

        return reader.Failed ? null : new LoopState(current, remaining, harts);
    }

    public void Restore(DeviceState state)
    {
        var saved = (LoopState)state;
        loop.CurrentHart = saved.CurrentHart;
        loop.SliceRemaining = saved.SliceRemaining;
        for (int i = 0; i < saved.Harts.Length; i++)
        {
            board.Harts[i].Status = saved.Harts[i].Status;
            board.Harts[i].Waiting = saved.Harts[i].Waiting;
            board.Harts[i].SbiTimer = saved.Harts[i].SbiTimer;
        }
    }
}
