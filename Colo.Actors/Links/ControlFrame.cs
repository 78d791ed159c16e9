using System.Buffers.Binary;

namespace Colo.Actors.Links;

/// <summary>
/// Frames on a control link, after its LinkOpen; big endian:
/// <code>
/// 0  4  length n of what follows the type, at most 64 KiB
/// 4  1  type: 1 heartbeat, 2 message of a VM's core, 3 question to the witness, 4 its answer, 5 report, 6 order, 7 its answer
/// 5  n  protobuf: WireHeartbeat, WirePeerMessage, WireArbiterRequest, WireArbiterReply, WireNodeReport, WireNodeRequest
///       or WireNodeReply (peer.proto)
/// </code>
/// </summary>
internal static class ControlFrame
{
    public const int HeadLength = 5;
    public const int LengthMax = 64 << 10;
    public const byte Heartbeat = 1;
    public const byte CoreMessage = 2;
    public const byte ArbiterRequest = 3;
    public const byte ArbiterReply = 4;
    public const byte NodeReport = 5;
    public const byte NodeRequest = 6;
    public const byte NodeReply = 7;

    public static byte[] Pack(byte type, ReadOnlySpan<byte> payload)
    {
        byte[] frame = new byte[HeadLength + payload.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, payload.Length);
        frame[4] = type;
        payload.CopyTo(frame.AsSpan(HeadLength));
        return frame;
    }

    /// <returns>The payload's length, or -1 when these are not the first bytes of a frame.</returns>
    public static int ReadLength(ReadOnlySpan<byte> head)
    {
        int length = BinaryPrimitives.ReadInt32BigEndian(head);
        return length is < 0 or > LengthMax || head[4] is < Heartbeat or > NodeReply ? -1 : length;
    }
}
