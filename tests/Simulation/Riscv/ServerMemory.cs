using System.Buffers.Binary;
using Colo.Vmm.Memory;

namespace Colo.Simulation.Riscv;

/// <summary>The server's connections, read out of the machine's memory: struct connection of
/// guests/simulation/server.c.</summary>
internal static class ServerMemory
{
    private const int Connections = 8;
    private const int RecordBytes = 56;
    private const int StreamBytes = 16384;

    /// <summary>How many frames the program has handled.</summary>
    public static ulong Consumed(GuestRam ram) =>
        ram.TryReadUInt64(RiscvProgram.Built.Consumed, out ulong count) ? count : 0;

    public static IEnumerable<(long Connection, StreamView Stream)> Streams(GuestRam ram)
    {
        for (int i = 0; i < Connections; i++)
        {
            if (Read(ram, i, null) is { } found)
            {
                yield return found;
            }
        }
    }

    public static StreamView? Find(GuestRam ram, long connection)
    {
        for (int i = 0; i < Connections; i++)
        {
            if (Read(ram, i, connection) is { } found)
            {
                return found.Stream;
            }
        }

        return null;
    }

    private static (long Connection, StreamView Stream)? Read(GuestRam ram, int index, long? only)
    {
        Span<byte> record = stackalloc byte[RecordBytes];
        ram.TryRead(RiscvProgram.Built.Connections + (ulong)(index * RecordBytes), record);
        long id = BinaryPrimitives.ReadInt64LittleEndian(record);
        bool used = BinaryPrimitives.ReadUInt32LittleEndian(record[8..]) != 0;
        if (!used || (only is { } wanted && wanted != id))
        {
            return null;
        }

        uint initial = BinaryPrimitives.ReadUInt32LittleEndian(record[12..]);
        uint clientInitial = BinaryPrimitives.ReadUInt32LittleEndian(record[16..]);
        uint received = BinaryPrimitives.ReadUInt32LittleEndian(record[20..]);
        byte[] sent = new byte[BinaryPrimitives.ReadUInt32LittleEndian(record[24..])];
        ram.TryRead(RiscvProgram.Built.Streams + (ulong)(index * StreamBytes), sent);
        return (id, new StreamView(initial, unchecked(clientInitial + 1 + received), sent));
    }
}
