using System.Buffers.Binary;
using Colo.Vmm.Net;

namespace Colo.Simulation.Riscv;

/// <summary>The cable of the machine's card: model frames as Ethernet frames. What the guest sends waits here until it
/// stands.</summary>
internal sealed class GuestCard : INetworkBackend
{
    /// <summary>Not a frame: the program has found something wrong.</summary>
    public const FrameKind Fault = (FrameKind)4;

    private const int HeaderBytes = 38;
    private const ushort EtherType = 0x88b5;

    private readonly List<Frame> _sent = [];
    private FrameHandler? _received;

    public FrameHandler? Received
    {
        set => _received = value;
    }

    public void Send(ReadOnlySpan<byte> frame)
    {
        int length = BinaryPrimitives.ReadInt32LittleEndian(frame[34..]);
        _sent.Add(new Frame(
            BinaryPrimitives.ReadInt64LittleEndian(frame[14..]),
            (FrameKind)BinaryPrimitives.ReadInt32LittleEndian(frame[22..]),
            BinaryPrimitives.ReadUInt32LittleEndian(frame[26..]),
            frame.Slice(HeaderBytes, length).ToArray(),
            BinaryPrimitives.ReadUInt32LittleEndian(frame[30..])));
    }

    public void Deliver(Frame frame)
    {
        byte[] bytes = new byte[HeaderBytes + frame.Payload.Length];
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(12), EtherType);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(14), frame.Connection);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(22), (int)frame.Kind);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(26), frame.Sequence);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(30), frame.Ack);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(34), frame.Payload.Length);
        frame.Payload.CopyTo(bytes, HeaderBytes);
        _received?.Invoke(bytes);
    }

    public List<Frame> TakeSent()
    {
        List<Frame> taken = [.. _sent];
        _sent.Clear();
        return taken;
    }

    public void Dispose()
    {
    }
}
