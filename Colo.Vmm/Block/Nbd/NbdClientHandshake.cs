using System.Buffers.Binary;
using System.Net.Security;
using System.Text;

namespace Colo.Vmm.Block.Nbd;

/// <summary>The client's side of the negotiation, in QEMU's order: TLS, structured replies, GO; EXPORT_NAME for
/// servers that don't know GO. A server that breaks the rules is a failure with a text, not an exception.</summary>
internal sealed class NbdClientHandshake(Stream stream, NbdClientOptions options)
{
    private const int ReplyMax = 64 * 1024;
    private byte[] _payload = [];

    public Stream Link { get; private set; } = stream;

    public LinkInput Input { get; private set; } = new(stream);

    public long SizeBytes { get; private set; }

    public ushort Flags { get; private set; }

    public bool StructuredReplies { get; private set; }

    /// <summary>The largest payload that the server takes, in whole sectors.</summary>
    public int PayloadMax { get; private set; } = NbdProtocol.PayloadMax;

    /// <summary>The server's unit of offsets and lengths.</summary>
    public uint BlockSizeMin { get; private set; } = 1;

    /// <summary>Why <see cref="Run"/> said no.</summary>
    public string Failure { get; private set; } = "";

    public bool Run()
    {
        if (!Input.TryFill(18))
        {
            return Fail("the server closed the connection before its greeting");
        }

        var greeting = Input.Take(18);
        if (BinaryPrimitives.ReadUInt64BigEndian(greeting) != NbdProtocol.GreetingMagic
            || BinaryPrimitives.ReadUInt64BigEndian(greeting[8..]) != NbdProtocol.OptionMagic)
        {
            return Fail("the greeting is not NBD's newstyle");
        }

        var flags = BinaryPrimitives.ReadUInt16BigEndian(greeting[16..]);
        if ((flags & NbdProtocol.HandshakeFixedNewstyle) == 0)
        {
            return Fail($"handshake flags {flags:x} lack fixed newstyle");
        }

        Span<byte> answer = stackalloc byte[4];
        var noZeroes = (flags & NbdProtocol.HandshakeNoZeroes) != 0;
        BinaryPrimitives.WriteUInt32BigEndian(
            answer, NbdProtocol.HandshakeFixedNewstyle | (noZeroes ? NbdProtocol.HandshakeNoZeroes : 0u));
        return (LinkStreams.TryWrite(Link, answer) || Fail("the link broke"))
            && (options.Tls is null || StartTls())
            && AskStructured()
            && Go(noZeroes);
    }

    private bool StartTls()
    {
        if (!Ask(NbdProtocol.OptionStartTls, default, out var type, out _))
        {
            return false;
        }

        if (type != NbdProtocol.ReplyAck)
        {
            return Fail($"the server refuses TLS ({type:x})");
        }

        if (Input.Buffered > 0)
        {
            return Fail("bytes in the clear after STARTTLS");
        }

        try
        {
            var secure = new SslStream(Link, leaveInnerStreamOpen: false);
            Link = secure;
            secure.AuthenticateAsClient(options.Tls!);
        }
        catch (Exception error) when (LinkStreams.IsLinkFailure(error))
        {
            return Fail($"TLS: {error.Message}");
        }

        Input = new LinkInput(Link);
        return true;
    }

    private bool AskStructured()
    {
        if (!Ask(NbdProtocol.OptionStructuredReply, default, out var type, out _))
        {
            return false;
        }

        StructuredReplies = type == NbdProtocol.ReplyAck;
        return true;
    }

    private bool Go(bool noZeroes)
    {
        var name = Encoding.UTF8.GetBytes(options.Export);
        var data = new byte[4 + name.Length + 4];
        BinaryPrimitives.WriteInt32BigEndian(data, name.Length);
        name.CopyTo(data, 4);
        BinaryPrimitives.WriteUInt16BigEndian(data.AsSpan(4 + name.Length), 1);
        BinaryPrimitives.WriteUInt16BigEndian(data.AsSpan(6 + name.Length), NbdProtocol.InfoBlockSize);
        if (!Send(NbdProtocol.OptionGo, data))
        {
            return false;
        }

        var known = false;
        for (var replies = 0; replies < 64; replies++)
        {
            if (!Receive(NbdProtocol.OptionGo, out var type, out var payload))
            {
                return false;
            }

            switch (type)
            {
                case NbdProtocol.ReplyInfo when payload.Length >= 2:
                    known |= TakeInfo(payload);
                    break;
                case NbdProtocol.ReplyAck:
                    return known ? AreLimitsUsable() : Fail("GO was acknowledged without the export's size");
                case NbdProtocol.ReplyUnsupported:
                    return OpenByName(name, noZeroes);
                case NbdProtocol.ReplyTlsRequired:
                    return Fail("the server requires TLS");
                case NbdProtocol.ReplyUnknown:
                    return Fail($"the server has no export '{options.Export}'");
                default:
                    return Fail($"export '{options.Export}' was refused ({type:x}): {Text(payload)}");
            }
        }

        return Fail("GO has no end");
    }

    private bool TakeInfo(ReadOnlySpan<byte> payload)
    {
        var kind = BinaryPrimitives.ReadUInt16BigEndian(payload);
        if (kind == NbdProtocol.InfoExport && payload.Length == 12)
        {
            SizeBytes = BinaryPrimitives.ReadInt64BigEndian(payload[2..]);
            Flags = BinaryPrimitives.ReadUInt16BigEndian(payload[10..]);
            return SizeBytes >= 0;
        }

        if (kind == NbdProtocol.InfoBlockSize && payload.Length == 14)
        {
            BlockSizeMin = BinaryPrimitives.ReadUInt32BigEndian(payload[2..]);
            var limit = Math.Min(NbdProtocol.PayloadMax, BinaryPrimitives.ReadUInt32BigEndian(payload[10..]));
            PayloadMax = (int)limit / BlockRange.SectorSize * BlockRange.SectorSize;
        }

        return false;
    }

    /// <summary>A disk's unit is 512 bytes, and whoever uses it asks for single sectors.</summary>
    private bool AreLimitsUsable() =>
        BlockSizeMin > BlockRange.SectorSize
            ? Fail($"the export takes blocks of {BlockSizeMin} bytes at least, expected {BlockRange.SectorSize} or less")
            : PayloadMax > 0 || Fail("the export takes less than a sector in one request");

    private bool OpenByName(byte[] name, bool noZeroes)
    {
        var length = noZeroes ? 10 : 134;
        if (!Send(NbdProtocol.OptionExportName, name) || !Input.TryFill(length))
        {
            return Fail($"the server closed the connection: it may have no export '{options.Export}'");
        }

        var reply = Input.Take(length);
        SizeBytes = BinaryPrimitives.ReadInt64BigEndian(reply);
        Flags = BinaryPrimitives.ReadUInt16BigEndian(reply[8..]);
        return SizeBytes >= 0 || Fail($"export size {SizeBytes} is negative");
    }

    private bool Ask(uint option, ReadOnlySpan<byte> data, out uint type, out ReadOnlySpan<byte> payload)
    {
        type = 0;
        payload = default;
        return Send(option, data) && Receive(option, out type, out payload);
    }

    private bool Send(uint option, ReadOnlySpan<byte> data)
    {
        var message = new byte[16 + data.Length];
        BinaryPrimitives.WriteUInt64BigEndian(message, NbdProtocol.OptionMagic);
        BinaryPrimitives.WriteUInt32BigEndian(message.AsSpan(8), option);
        BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(12), data.Length);
        data.CopyTo(message.AsSpan(16));
        return LinkStreams.TryWrite(Link, message) || Fail("the link broke in the negotiation");
    }

    private bool Receive(uint option, out uint type, out ReadOnlySpan<byte> payload)
    {
        type = 0;
        payload = default;
        if (!Input.TryFill(20))
        {
            return Fail("the server closed the connection in the negotiation");
        }

        var header = Input.Take(20);
        type = BinaryPrimitives.ReadUInt32BigEndian(header[12..]);
        var length = BinaryPrimitives.ReadUInt32BigEndian(header[16..]);
        if (BinaryPrimitives.ReadUInt64BigEndian(header) != NbdProtocol.OptionReplyMagic
            || BinaryPrimitives.ReadUInt32BigEndian(header[8..]) != option || length > ReplyMax)
        {
            return Fail($"the answer to option {option} is malformed");
        }

        if (_payload.Length < length)
        {
            _payload = new byte[length];
        }

        if (!Input.TryReadInto(_payload.AsSpan(0, (int)length)))
        {
            return Fail("the server closed the connection in the negotiation");
        }

        payload = _payload.AsSpan(0, (int)length);
        return true;
    }

    private static string Text(ReadOnlySpan<byte> payload) =>
        Encoding.UTF8.GetString(payload[..Math.Min(payload.Length, 200)]);

    private bool Fail(string reason)
    {
        Failure = reason;
        return false;
    }
}
