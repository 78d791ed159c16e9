using System.Buffers.Binary;
using Colo.Vmm.Block.Nbd;

namespace Colo.Vmm.Tests.Block;

/// <summary>An NBD server that opens its one export as a server should, and then does what the test says.</summary>
internal sealed class HandNbdServer(ushort flags, uint blockSizeMin = 1, uint payloadMax = uint.MaxValue) : IDisposable
{
    public const long SizeBytes = 64 << 20;
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);
    private readonly LinkPair _pair = new();

    /// <summary>A client of it, after the negotiation.</summary>
    public async Task<NbdClient> OpenAsync()
    {
        Task negotiation = Task.Run(Negotiate);
        try
        {
            NbdClient client = NbdClient.Open(() => _pair.Near, new NbdClientOptions());
            await negotiation.WaitAsync(Hang);
            return client;
        }
        finally
        {
            await Task.WhenAny(negotiation).WaitAsync(Hang);
        }
    }

    /// <summary>The header of the next request; its payload stays in the link.</summary>
    public (ushort Flags, ushort Type, ulong Cookie, long Offset, int Length) ReadRequest()
    {
        byte[] header = ReadPayload(NbdProtocol.RequestSize);
        Assert.Equal(NbdProtocol.RequestMagic, BinaryPrimitives.ReadUInt32BigEndian(header));
        return (
            BinaryPrimitives.ReadUInt16BigEndian(header.AsSpan(4)), BinaryPrimitives.ReadUInt16BigEndian(header.AsSpan(6)),
            BinaryPrimitives.ReadUInt64BigEndian(header.AsSpan(8)), BinaryPrimitives.ReadInt64BigEndian(header.AsSpan(16)),
            BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(24)));
    }

    public byte[] ReadPayload(int length)
    {
        byte[] payload = new byte[length];
        _pair.Far.ReadExactly(payload);
        return payload;
    }

    /// <summary>Success, and what was read.</summary>
    public void Answer(ulong cookie, params byte[] payload)
    {
        byte[] reply = new byte[NbdProtocol.SimpleReplySize + payload.Length];
        BinaryPrimitives.WriteUInt32BigEndian(reply, NbdProtocol.SimpleReplyMagic);
        BinaryPrimitives.WriteUInt64BigEndian(reply.AsSpan(8), cookie);
        payload.CopyTo(reply, NbdProtocol.SimpleReplySize);
        _pair.Far.Write(reply);
    }

    public void Dispose() => _pair.Dispose();

    private void Negotiate()
    {
        byte[] greeting = new byte[18];
        BinaryPrimitives.WriteUInt64BigEndian(greeting, NbdProtocol.GreetingMagic);
        BinaryPrimitives.WriteUInt64BigEndian(greeting.AsSpan(8), NbdProtocol.OptionMagic);
        BinaryPrimitives.WriteUInt16BigEndian(
            greeting.AsSpan(16), NbdProtocol.HandshakeFixedNewstyle | NbdProtocol.HandshakeNoZeroes);
        _pair.Far.Write(greeting);
        ReadPayload(4);
        TakeOption(NbdProtocol.OptionStructuredReply);
        Reply(NbdProtocol.OptionStructuredReply, NbdProtocol.ReplyUnsupported, []);
        TakeOption(NbdProtocol.OptionGo);
        byte[] export = new byte[12];
        BinaryPrimitives.WriteUInt16BigEndian(export, NbdProtocol.InfoExport);
        BinaryPrimitives.WriteInt64BigEndian(export.AsSpan(2), SizeBytes);
        BinaryPrimitives.WriteUInt16BigEndian(export.AsSpan(10), flags);
        Reply(NbdProtocol.OptionGo, NbdProtocol.ReplyInfo, export);
        byte[] blocks = new byte[14];
        BinaryPrimitives.WriteUInt16BigEndian(blocks, NbdProtocol.InfoBlockSize);
        BinaryPrimitives.WriteUInt32BigEndian(blocks.AsSpan(2), blockSizeMin);
        BinaryPrimitives.WriteUInt32BigEndian(blocks.AsSpan(6), Math.Max(4096, blockSizeMin));
        BinaryPrimitives.WriteUInt32BigEndian(blocks.AsSpan(10), payloadMax);
        Reply(NbdProtocol.OptionGo, NbdProtocol.ReplyInfo, blocks);
        Reply(NbdProtocol.OptionGo, NbdProtocol.ReplyAck, []);
    }

    private void TakeOption(uint expected)
    {
        byte[] header = ReadPayload(16);
        Assert.Equal(expected, BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(8)));
        ReadPayload(BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(12)));
    }

    private void Reply(uint option, uint type, byte[] payload)
    {
        byte[] reply = new byte[20 + payload.Length];
        BinaryPrimitives.WriteUInt64BigEndian(reply, NbdProtocol.OptionReplyMagic);
        BinaryPrimitives.WriteUInt32BigEndian(reply.AsSpan(8), option);
        BinaryPrimitives.WriteUInt32BigEndian(reply.AsSpan(12), type);
        BinaryPrimitives.WriteInt32BigEndian(reply.AsSpan(16), payload.Length);
        payload.CopyTo(reply, 20);
        _pair.Far.Write(reply);
    }
}
