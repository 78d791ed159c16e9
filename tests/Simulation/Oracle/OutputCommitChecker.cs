using Colo.Actors.Arbiter;
using Colo.Actors.Network;

namespace Colo.Simulation.Oracle;

/// <summary>
/// S1 and S6, directly: at each release, imagine the releaser gone. Every other living member of the arbiter's set must
/// hold a state that has sent these very bytes and has received what the frame acknowledges (the kill-now probe). A
/// frozen host's last committed frames may come when the history that they are of has ended in a boot from disk.
/// </summary>
public sealed class OutputCommitChecker(SimWorld world)
{
    private readonly SortedDictionary<long, (uint End, Frame Frame)> _released = [];

    /// <summary>The commit point: from now on this image is the survivor's history, so it must contain all that has
    /// left.</summary>
    public void OnCommit(SimVm vm, SimImage image)
    {
        foreach ((long id, (uint end, Frame frame)) in _released)
        {
            if (image.Guest.View.Find(id) is not { } connection)
            {
                continue; // closed, or of a guest that was lost with all its memory
            }

            uint sent = unchecked(connection.InitialSequence + 1 + (uint)connection.Sent.Count);
            Require(unchecked((int)(end - sent)) <= 0, "S1",
                $"{vm.Identity} commits {image.Epoch}, which has sent up to {sent} of {id}; released before: {frame}");
        }
    }

    public void OnRelease(SimVm vm, Frame frame, FrameFate fate)
    {
        bool repeats = false;
        if (frame.Kind == FrameKind.Data && frame.Payload.Length > 0)
        {
            uint end = unchecked(frame.Sequence + (uint)frame.Payload.Length);
            bool later = !_released.TryGetValue(frame.Connection, out (uint End, Frame Frame) old)
                || unchecked((int)(end - old.End)) > 0;
            repeats = !later;
            _released[frame.Connection] = later ? (end, frame) : old;
        }

        if (world.Witness.Record is not { } record)
        {
            return;
        }

        foreach (SimHost host in world.Hosts)
        {
            if (repeats && world.IsGivenUp(vm) && host.Vm?.SurvivorGuest?.Find(frame.Connection) is null)
            {
                continue; // the set has lost its memory meanwhile; what the loser says once more the client has heard
            }

            bool survivor = host.Vm is { } other && other != vm && record.InSync(other.Identity);
            if (survivor && !world.WasBootedAfter(vm.Protocol.Failover.Term) && host.Vm!.SurvivorGuest is { } guest)
            {
                Probe(vm, host.Vm!, guest, frame, fate, record);
            }
        }
    }

    private void Probe(
        SimVm releaser, SimVm survivor, IGuestView guest, Frame frame, FrameFate fate, ArbiterRecord record)
    {
        string who = $"{frame} released by {releaser.Identity} as {fate}, survivor {survivor.Identity}, {record}";
        if (frame.Kind == FrameKind.Reset)
        {
            // The survivor answers an unknown connection in the same way; one that it serves must not be lost.
            bool serves = guest.Find(frame.Connection) is { } open && open.Sent.Count > 0;
            Require(!serves, "S1", $"{who} serves the connection");
            return;
        }

        // A survivor that has rebooted since has sent it before, and ends the connection by itself.
        string? wrong = Wrong(survivor, guest, guest.Find(frame.Connection), frame);
        wrong = wrong is not null && guest.FindPast(frame.Connection) is { } past
            ? Wrong(survivor, guest, past, frame)
            : wrong;
        world.Oracle.Count("S6");
        if (wrong is not null)
        {
            throw new InvariantFailureException(wrong[..2], $"{who} {wrong[3..]}");
        }
    }

    /// <summary>What the survivor lacks of the frame, after the invariant's name; null when it lacks nothing.</summary>
    private static string? Wrong(SimVm survivor, IGuestView guest, StreamView? connection, Frame frame)
    {
        if (connection is null)
        {
            return "S1 does not know the connection";
        }

        if (frame.Kind == FrameKind.Syn)
        {
            return connection.InitialSequence == frame.Sequence
                ? null : $"S1 would have sent {connection.InitialSequence}";
        }

        int offset = unchecked((int)(frame.Sequence - connection.InitialSequence - 1));
        if (offset < 0 || offset + frame.Payload.Length > connection.Sent.Count)
        {
            return $"S1 has sent {connection.Sent.Count} bytes only";
        }

        for (int i = 0; i < frame.Payload.Length; i++)
        {
            if (connection.Sent[offset + i] != frame.Payload[i])
            {
                return $"S1 has sent another byte {offset + i}";
            }
        }

        uint received = connection.AckNumber;
        foreach (Frame input in guest.Inbox.Concat(survivor.Traffic.QueuedInput))
        {
            uint end = unchecked(input.Sequence + (uint)input.Payload.Length);
            bool joins = input.Connection == frame.Connection && input.Kind == FrameKind.Data
                && unchecked((int)(input.Sequence - received)) <= 0 && unchecked((int)(end - received)) > 0;
            received = joins ? end : received;
        }

        return unchecked((int)(frame.Ack - received)) <= 0 ? null : $"S6 has received up to {received}";
    }

    private static void Require(bool condition, string id, string what)
    {
        if (!condition)
        {
            throw new InvariantFailureException(id, what);
        }
    }
}
