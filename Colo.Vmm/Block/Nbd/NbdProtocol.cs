namespace Colo.Vmm.Block.Nbd;

/// <summary>Numbers of the NBD protocol (fixed newstyle), all big endian on the wire; names as in its
/// specification.</summary>
internal static class NbdProtocol
{
    public const ulong GreetingMagic = 0x4e42444d41474943;
    public const ulong OptionMagic = 0x49484156454F5054;
    public const ulong OptionReplyMagic = 0x0003e889045565a9;
    public const uint RequestMagic = 0x25609513;
    public const uint SimpleReplyMagic = 0x67446698;
    public const uint ChunkMagic = 0x668e33ef;

    public const int RequestSize = 28;
    public const int SimpleReplySize = 16;
    public const int ChunkHeaderSize = 20;

    /// <summary>The largest payload of one request that every implementation takes.</summary>
    public const int PayloadMax = 32 * 1024 * 1024;

    /// <summary>The specification's limit of a name.</summary>
    public const int NameMax = 4096;

    /// <summary>More than any sane option carries; longer ones end the session.</summary>
    public const int OptionDataMax = 64 * 1024;

    public const ushort HandshakeFixedNewstyle = 1;
    public const ushort HandshakeNoZeroes = 2;

    public const uint OptionExportName = 1;
    public const uint OptionAbort = 2;
    public const uint OptionList = 3;
    public const uint OptionStartTls = 5;
    public const uint OptionInfo = 6;
    public const uint OptionGo = 7;
    public const uint OptionStructuredReply = 8;
    public const uint OptionListMetaContext = 9;
    public const uint OptionSetMetaContext = 10;

    public const uint ReplyAck = 1;
    public const uint ReplyServer = 2;
    public const uint ReplyInfo = 3;
    public const uint ReplyMetaContext = 4;
    public const uint ReplyErrorBit = 0x80000000;
    public const uint ReplyUnsupported = 0x80000001;
    public const uint ReplyPolicy = 0x80000002;
    public const uint ReplyInvalid = 0x80000003;
    public const uint ReplyTlsRequired = 0x80000005;
    public const uint ReplyUnknown = 0x80000006;
    public const uint ReplyTooBig = 0x80000009;

    public const ushort InfoExport = 0;
    public const ushort InfoName = 1;
    public const ushort InfoDescription = 2;
    public const ushort InfoBlockSize = 3;

    public const ushort FlagHasFlags = 1;
    public const ushort FlagReadOnly = 2;
    public const ushort FlagFlush = 4;
    public const ushort FlagFua = 8;
    public const ushort FlagTrim = 0x20;
    public const ushort FlagWriteZeroes = 0x40;
    public const ushort FlagDontFragment = 0x80;
    public const ushort FlagMultiConnection = 0x100;
    public const ushort FlagCache = 0x400;

    public const ushort CommandRead = 0;
    public const ushort CommandWrite = 1;
    public const ushort CommandDisconnect = 2;
    public const ushort CommandFlush = 3;
    public const ushort CommandTrim = 4;
    public const ushort CommandCache = 5;
    public const ushort CommandWriteZeroes = 6;
    public const ushort CommandBlockStatus = 7;

    public const ushort CommandFlagFua = 1;
    public const ushort CommandFlagNoHole = 2;
    public const ushort CommandFlagDontFragment = 4;
    public const ushort CommandFlagRequestOne = 8;

    public const ushort ChunkFlagDone = 1;
    public const ushort ChunkNone = 0;
    public const ushort ChunkOffsetData = 1;
    public const ushort ChunkOffsetHole = 2;
    public const ushort ChunkBlockStatus = 5;
    public const ushort ChunkErrorBit = 0x8000;
    public const ushort ChunkError = 0x8001;

    public const uint StateHole = 1;
    public const uint StateZero = 2;

    public const uint ErrorPermission = 1;
    public const uint ErrorIo = 5;
    public const uint ErrorInvalid = 22;
    public const uint ErrorNoSpace = 28;
    public const uint ErrorOverflow = 75;
    public const uint ErrorNotSupported = 95;
    public const uint ErrorShutdown = 108;

    public const string AllocationContext = "base:allocation";

    /// <summary>What the client is told.</summary>
    public static uint ErrorOf(BlockStatus status) => status switch
    {
        BlockStatus.Ok => 0,
        BlockStatus.OutOfRange => ErrorInvalid,
        BlockStatus.ReadOnly => ErrorPermission,
        BlockStatus.NoSpace => ErrorNoSpace,
        BlockStatus.NotSupported => ErrorNotSupported,
        BlockStatus.PeerLost => ErrorShutdown,
        BlockStatus.IoError or _ => ErrorIo,
    };

    /// <summary>What the server told us.</summary>
    public static BlockStatus StatusOf(uint error) => error switch
    {
        0 => BlockStatus.Ok,
        ErrorPermission => BlockStatus.ReadOnly,
        ErrorInvalid => BlockStatus.OutOfRange,
        ErrorNoSpace => BlockStatus.NoSpace,
        ErrorNotSupported => BlockStatus.NotSupported,
        ErrorShutdown => BlockStatus.PeerLost,
        _ => BlockStatus.IoError,
    };
}
