using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Colo.Vmm.Qmp.Replication;

/// <summary>
/// The device state of a checkpoint between two monitors: the machine's own, and behind it that of the parts around it
/// (docs/protocol-checkpoint.md, "Between two monitors"). A part that the other side does not have is skipped.
/// </summary>
internal static class PartsState
{
    private const int NameMax = 255;

    public static void Save(
        ReplicationHooks parts, Action<IBufferWriter<byte>> saveMachine, IBufferWriter<byte> destination)
    {
        var machine = new ArrayBufferWriter<byte>(1 << 16);
        saveMachine(machine);
        WriteBlock(destination, machine.WrittenSpan);
        parts.All(part =>
        {
            if (part.StateName is { } name)
            {
                var state = new ArrayBufferWriter<byte>();
                part.Save(state);
                WriteBlock(destination, Encoding.UTF8.GetBytes(name));
                WriteBlock(destination, state.WrittenSpan);
            }
        });
    }

    /// <summary>Takes the machine's own part off the front; a text when the bytes are no such state.</summary>
    public static string? TryReadMachine(ref ReadOnlySpan<byte> state, out ReadOnlySpan<byte> machine) =>
        TryReadBlock(ref state, out machine) ? null : "the device state is cut short";

    public static string? Restore(ReplicationHooks parts, ReadOnlySpan<byte> state)
    {
        while (!state.IsEmpty)
        {
            if (!TryReadBlock(ref state, out ReadOnlySpan<byte> name) || name.Length > NameMax
                || !TryReadBlock(ref state, out ReadOnlySpan<byte> content))
            {
                return "the state of the machine's parts is cut short";
            }

            string wanted = Encoding.UTF8.GetString(name);
            byte[] bytes = content.ToArray();
            if (parts.Each(part => part.StateName == wanted ? part.Restore(bytes) : null) is { } error)
            {
                return error;
            }
        }

        return null;
    }

    private static void WriteBlock(IBufferWriter<byte> destination, ReadOnlySpan<byte> content)
    {
        BinaryPrimitives.WriteInt32BigEndian(destination.GetSpan(4), content.Length);
        destination.Advance(4);
        destination.Write(content);
    }

    private static bool TryReadBlock(ref ReadOnlySpan<byte> state, out ReadOnlySpan<byte> content)
    {
        content = default;
        if (state.Length < 4)
        {
            return false;
        }

        uint length = BinaryPrimitives.ReadUInt32BigEndian(state);
        if (length > state.Length - 4)
        {
            return false;
        }

        content = state.Slice(4, (int)length);
        state = state[(4 + (int)length)..];
        return true;
    }
}
