using System.Buffers.Binary;
using System.Net.Security;
using System.Text;

namespace Colo.Vmm.Block.Nbd;

/// <summary>The negotiation of one connection: greeting, options, until an export is chosen. Bounded in data by the
/// option limit and in time by its owner.</summary>
internal sealed class NbdServerHandshake(
    Stream stream, NbdServerOptions options, IReadOnlyDictionary<string, NbdExport> exports)
{
    private readonly byte[] _reply = new byte[NbdProtocol.NameMax + 64];
    private NbdExport? _contextExport;
    private bool _noZeroes;
    private bool _secure;

    /// <summary>The link to go on with; another one after STARTTLS.</summary>
    public Stream Link { get; private set; } = stream;

    public LinkInput Input { get; private set; } = new(stream);

    public NbdExport? Export { get; private set; }

    public bool StructuredReplies { get; private set; }

    /// <summary>Whether the client chose base:allocation for the export that it opened.</summary>
    public bool AllocationContext { get; private set; }

    public static ushort FlagsOf(NbdExport export, bool structured)
    {
        var flags = NbdProtocol.FlagHasFlags | NbdProtocol.FlagFlush | NbdProtocol.FlagFua | NbdProtocol.FlagMultiConnection
            | NbdProtocol.FlagCache;
        flags |= IsWritable(export)
            ? NbdProtocol.FlagTrim | NbdProtocol.FlagWriteZeroes
            : NbdProtocol.FlagReadOnly;
        return (ushort)(structured ? flags | NbdProtocol.FlagDontFragment : flags);
    }

    public static bool IsWritable(NbdExport export) => export.Writable && !export.Device.IsReadOnly;

    /// <summary>True when an export is open and requests may follow; false when the session is over.</summary>
    public bool Run()
    {
        Span<byte> greeting = stackalloc byte[18];
        BinaryPrimitives.WriteUInt64BigEndian(greeting, NbdProtocol.GreetingMagic);
        BinaryPrimitives.WriteUInt64BigEndian(greeting[8..], NbdProtocol.OptionMagic);
        BinaryPrimitives.WriteUInt16BigEndian(
            greeting[16..], NbdProtocol.HandshakeFixedNewstyle | NbdProtocol.HandshakeNoZeroes);
        if (!LinkStreams.TryWrite(Link, greeting) || !Input.TryFill(4))
        {
            return false;
        }

        var flags = BinaryPrimitives.ReadUInt32BigEndian(Input.Take(4));
        if ((flags & ~(uint)(NbdProtocol.HandshakeFixedNewstyle | NbdProtocol.HandshakeNoZeroes)) != 0)
        {
            return false;
        }

        _noZeroes = (flags & NbdProtocol.HandshakeNoZeroes) != 0;
        while (Export is null)
        {
            if (!Input.TryFill(16))
            {
                return false;
            }

            var header = Input.Take(16);
            var magic = BinaryPrimitives.ReadUInt64BigEndian(header);
            var option = BinaryPrimitives.ReadUInt32BigEndian(header[8..]);
            var length = BinaryPrimitives.ReadUInt32BigEndian(header[12..]);
            if (magic != NbdProtocol.OptionMagic || length > NbdProtocol.OptionDataMax || !Input.TryFill((int)length)
                || !Handle(option, Input.Take((int)length)))
            {
                return false;
            }
        }

        AllocationContext = ReferenceEquals(_contextExport, Export);
        return true;
    }

    private bool Handle(uint option, ReadOnlySpan<byte> data)
    {
        if (options.TlsRequired && !_secure && option is not (NbdProtocol.OptionStartTls or NbdProtocol.OptionAbort))
        {
            // EXPORT_NAME has no way to say no but to hang up.
            return option != NbdProtocol.OptionExportName && Reply(option, NbdProtocol.ReplyTlsRequired);
        }

        switch (option)
        {
            case NbdProtocol.OptionExportName:
                return OpenByName(data);
            case NbdProtocol.OptionAbort:
                _ = Reply(option, NbdProtocol.ReplyAck);
                return false;
            case NbdProtocol.OptionList:
                return List(data);
            case NbdProtocol.OptionStartTls:
                return StartTls(data);
            case NbdProtocol.OptionInfo or NbdProtocol.OptionGo:
                return Open(option, data);
            case NbdProtocol.OptionStructuredReply:
                if (data.Length > 0)
                {
                    return Reply(option, NbdProtocol.ReplyInvalid);
                }

                StructuredReplies = true;
                return Reply(option, NbdProtocol.ReplyAck);
            case NbdProtocol.OptionListMetaContext or NbdProtocol.OptionSetMetaContext:
                return MetaContext(option, data);
            default:
                return Reply(option, NbdProtocol.ReplyUnsupported);
        }
    }

    private bool OpenByName(ReadOnlySpan<byte> data)
    {
        if (Find(data) is not { } export)
        {
            return false;
        }

        Export = export;
        var reply = _reply.AsSpan(0, _noZeroes ? 10 : 134);
        reply.Clear();
        BinaryPrimitives.WriteInt64BigEndian(reply, export.Device.SizeBytes);
        BinaryPrimitives.WriteUInt16BigEndian(reply[8..], FlagsOf(export, StructuredReplies));
        return LinkStreams.TryWrite(Link, reply);
    }

    private bool List(ReadOnlySpan<byte> data)
    {
        if (data.Length > 0)
        {
            return Reply(NbdProtocol.OptionList, NbdProtocol.ReplyInvalid);
        }

        foreach (var export in exports.Values)
        {
            var name = Encoding.UTF8.GetBytes(export.Name);
            var description = Encoding.UTF8.GetBytes(export.Description);
            var payload = new byte[4 + name.Length + description.Length];
            BinaryPrimitives.WriteInt32BigEndian(payload, name.Length);
            name.CopyTo(payload, 4);
            description.CopyTo(payload, 4 + name.Length);
            if (!Reply(NbdProtocol.OptionList, NbdProtocol.ReplyServer, payload))
            {
                return false;
            }
        }

        return Reply(NbdProtocol.OptionList, NbdProtocol.ReplyAck);
    }

    private bool StartTls(ReadOnlySpan<byte> data)
    {
        if (data.Length > 0 || _secure)
        {
            return Reply(NbdProtocol.OptionStartTls, NbdProtocol.ReplyInvalid);
        }

        if (options.Tls is null)
        {
            return Reply(NbdProtocol.OptionStartTls, NbdProtocol.ReplyPolicy);
        }

        // Bytes that came in the clear before the handshake must not be taken for encrypted ones.
        if (Input.Buffered > 0 || !Reply(NbdProtocol.OptionStartTls, NbdProtocol.ReplyAck))
        {
            return false;
        }

        try
        {
            var secure = new SslStream(Link, leaveInnerStreamOpen: false);
            Link = secure;
            secure.AuthenticateAsServer(options.Tls);
        }
        catch (Exception error) when (LinkStreams.IsLinkFailure(error))
        {
            return false;
        }

        // What was agreed in the clear is forgotten, so nobody in the middle could have chosen it.
        Input = new LinkInput(Link);
        StructuredReplies = false;
        _contextExport = null;
        _secure = true;
        return true;
    }

    private bool Open(uint option, ReadOnlySpan<byte> data)
    {
        if (!TryTakeName(ref data, out var name) || data.Length < 2
            || data.Length != 2 + (2 * BinaryPrimitives.ReadUInt16BigEndian(data)))
        {
            return Reply(option, NbdProtocol.ReplyInvalid);
        }

        if (Find(name) is not { } export)
        {
            return Reply(option, NbdProtocol.ReplyUnknown);
        }

        for (var asked = data[2..]; asked.Length > 0; asked = asked[2..])
        {
            var sent = BinaryPrimitives.ReadUInt16BigEndian(asked) switch
            {
                NbdProtocol.InfoName => SendText(option, NbdProtocol.InfoName, export.Name),
                NbdProtocol.InfoDescription when export.Description.Length > 0 =>
                    SendText(option, NbdProtocol.InfoDescription, export.Description),
                _ => true,
            };
            if (!sent)
            {
                return false;
            }
        }

        if (!SendSizes(option, export))
        {
            return false;
        }

        if (option == NbdProtocol.OptionGo)
        {
            Export = export;
        }

        return Reply(option, NbdProtocol.ReplyAck);
    }

    private bool SendSizes(uint option, NbdExport export)
    {
        Span<byte> info = stackalloc byte[14];
        BinaryPrimitives.WriteUInt16BigEndian(info, NbdProtocol.InfoBlockSize);
        BinaryPrimitives.WriteInt32BigEndian(info[2..], BlockRange.SectorSize);
        BinaryPrimitives.WriteInt32BigEndian(info[6..], 4096);
        BinaryPrimitives.WriteInt32BigEndian(info[10..], NbdProtocol.PayloadMax);
        if (!Reply(option, NbdProtocol.ReplyInfo, info))
        {
            return false;
        }

        BinaryPrimitives.WriteUInt16BigEndian(info, NbdProtocol.InfoExport);
        BinaryPrimitives.WriteInt64BigEndian(info[2..], export.Device.SizeBytes);
        BinaryPrimitives.WriteUInt16BigEndian(info[10..], FlagsOf(export, StructuredReplies));
        return Reply(option, NbdProtocol.ReplyInfo, info[..12]);
    }

    private bool SendText(uint option, ushort kind, string text)
    {
        var payload = new byte[2 + Encoding.UTF8.GetByteCount(text)];
        BinaryPrimitives.WriteUInt16BigEndian(payload, kind);
        Encoding.UTF8.GetBytes(text, payload.AsSpan(2));
        return Reply(option, NbdProtocol.ReplyInfo, payload);
    }

    private bool MetaContext(uint option, ReadOnlySpan<byte> data)
    {
        if (!TryTakeName(ref data, out var name) || data.Length < 4)
        {
            return Reply(option, NbdProtocol.ReplyInvalid);
        }

        var count = BinaryPrimitives.ReadUInt32BigEndian(data);
        data = data[4..];
        var setting = option == NbdProtocol.OptionSetMetaContext;
        if (setting)
        {
            _contextExport = null;
        }

        if (setting && !StructuredReplies)
        {
            return Reply(option, NbdProtocol.ReplyInvalid);
        }

        // A list without queries means all contexts. The data's own length bounds the loop, whatever the count says.
        var chosen = count == 0 && !setting;
        for (; count > 0; count--)
        {
            if (!TryTakeName(ref data, out var query))
            {
                return Reply(option, NbdProtocol.ReplyInvalid);
            }

            chosen |= query.SequenceEqual("base:allocation"u8) || (!setting && query.SequenceEqual("base:"u8));
        }

        if (data.Length > 0)
        {
            return Reply(option, NbdProtocol.ReplyInvalid);
        }

        if (Find(name) is not { } export)
        {
            return Reply(option, NbdProtocol.ReplyUnknown);
        }

        if (chosen)
        {
            Span<byte> payload = stackalloc byte[4 + NbdProtocol.AllocationContext.Length];
            BinaryPrimitives.WriteUInt32BigEndian(payload, setting ? NbdServerConnection.AllocationContextId : 0);
            Encoding.UTF8.GetBytes(NbdProtocol.AllocationContext, payload[4..]);
            if (!Reply(option, NbdProtocol.ReplyMetaContext, payload))
            {
                return false;
            }

            _contextExport = setting ? export : _contextExport;
        }

        return Reply(option, NbdProtocol.ReplyAck);
    }

    private NbdExport? Find(ReadOnlySpan<byte> name)
    {
        if (name.Length > NbdProtocol.NameMax)
        {
            return null;
        }

        return exports.TryGetValue(Encoding.UTF8.GetString(name), out var export) ? export : null;
    }

    private static bool TryTakeName(ref ReadOnlySpan<byte> data, out ReadOnlySpan<byte> name)
    {
        name = default;
        if (data.Length < 4)
        {
            return false;
        }

        var length = BinaryPrimitives.ReadUInt32BigEndian(data);
        if (length > data.Length - 4)
        {
            return false;
        }

        name = data.Slice(4, (int)length);
        data = data[(4 + (int)length)..];
        return true;
    }

    private bool Reply(uint option, uint type, ReadOnlySpan<byte> payload = default)
    {
        var reply = payload.Length + 20 <= _reply.Length ? _reply.AsSpan(0, payload.Length + 20) : new byte[payload.Length + 20];
        BinaryPrimitives.WriteUInt64BigEndian(reply, NbdProtocol.OptionReplyMagic);
        BinaryPrimitives.WriteUInt32BigEndian(reply[8..], option);
        BinaryPrimitives.WriteUInt32BigEndian(reply[12..], type);
        BinaryPrimitives.WriteInt32BigEndian(reply[16..], payload.Length);
        payload.CopyTo(reply[20..]);
        return LinkStreams.TryWrite(Link, reply);
    }
}
