using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;
using Colo.Vmm.Net;

namespace Colo.Benchmarks.Packets;

/// <summary>Sends one trace into both inputs of a comparer, in step, and times until the last byte has come
/// out.</summary>
internal sealed class TraceDriver(int payloadBytes, int connections, Socket primary, Socket secondary, Socket output)
{
    private const int FrameHeaderBytes = 14 + 20 + 20;
    private const int ChunkFrames = 256;
    private readonly byte[] received = new byte[1 << 20];
    private byte[] trace = [];
    private long sentFrames;

    private int RecordBytes => 4 + FrameHeaderBytes + payloadBytes;

    /// <summary>Builds the next part of the streams; sequence numbers go on where the last part ended.</summary>
    public void Prepare(int frames)
    {
        trace = new byte[(long)frames * RecordBytes];
        for (var i = 0; i < frames; i++, sentFrames++)
        {
            var record = trace.AsSpan(i * RecordBytes, RecordBytes);
            BinaryPrimitives.WriteUInt32BigEndian(record, (uint)(FrameHeaderBytes + payloadBytes));
            var frame = record[4..];
            frame[..12].Fill(2);
            frame[12] = 8;
            var ip = frame[14..];
            ip[0] = 0x45;
            BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)(40 + payloadBytes));
            ip[8] = 64;
            ip[9] = 6;
            BinaryPrimitives.WriteUInt32BigEndian(ip[12..], 0x0A000001);
            BinaryPrimitives.WriteUInt32BigEndian(ip[16..], 0x0A000002);
            var tcp = ip[20..];
            BinaryPrimitives.WriteUInt16BigEndian(tcp, 80);
            BinaryPrimitives.WriteUInt16BigEndian(tcp[2..], (ushort)(10_000 + (sentFrames % connections)));
            BinaryPrimitives.WriteUInt32BigEndian(tcp[4..], unchecked((uint)(1000 + (sentFrames / connections * payloadBytes))));
            BinaryPrimitives.WriteUInt32BigEndian(tcp[8..], 500);
            tcp[12] = 5 << 4;
            tcp[13] = (byte)(TcpFlags.Ack | TcpFlags.Psh);
            tcp[20..].Fill((byte)i);
        }
    }

    /// <summary>Seconds from the first byte in to the last byte out.</summary>
    public double Run()
    {
        var chunk = ChunkFrames * RecordBytes;
        var started = Stopwatch.GetTimestamp();
        long back = 0;
        for (var at = 0; at < trace.Length; at += chunk)
        {
            var part = trace.AsSpan(at, Math.Min(chunk, trace.Length - at));
            // One chunk may be under way while the next one is sent.
            back = ReceiveUntil(back, at - chunk);
            Send(primary, part);
            Send(secondary, part);
        }
        ReceiveUntil(back, trace.Length);
        return Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private static void Send(Socket socket, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[socket.Send(bytes)..];
        }
    }

    private long ReceiveUntil(long have, long wanted)
    {
        while (have < wanted)
        {
            var count = output.Receive(received);
            have += count > 0 ? count : throw new InvalidOperationException("the comparer closed its output");
        }
        return have;
    }
}
