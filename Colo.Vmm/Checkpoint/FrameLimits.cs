namespace Colo.Vmm.Checkpoint;

/// <summary>Length limits of the format. What is longer is refused before a byte of it is read or allocated.</summary>
internal static class FrameLimits
{
    public const int PageSize = 4096;

    /// <summary>Pages of content that one chunk may carry at most; also the most records that it may have.</summary>
    public const int PagesPerChunkMax = 256;

    /// <summary>Chunk header, a record for each page, and the body.</summary>
    public const int ChunkPayloadMax = PageChunk.HeaderSize + PagesPerChunkMax * (PageChunk.RecordSize + PageSize);

    /// <summary>One piece of device state.</summary>
    public const int DevicePieceMax = 64 * 1024;

    /// <summary>All device state of one checkpoint.</summary>
    public const int DeviceStateMax = 256 * 1024 * 1024;

    /// <summary>Hashes in one <see cref="FrameType.PageHashes"/> frame.</summary>
    public const int HashesPerFrameMax = 4096;

    /// <summary>Longest payload on the control channel.</summary>
    public const int ControlPayloadMax = 8 + HashesPerFrameMax * PageHash.Size;

    public const int PageChannelsMax = 16;

    public static LinkFailure Check(FrameType type, int length)
    {
        var (least, most) = type switch
        {
            FrameType.CheckpointReady => (8, 8),
            FrameType.CheckpointRequest or FrameType.CheckpointReply => (0, 0),
            FrameType.VmStateSend => (8, 8),
            FrameType.VmStateSize => (VmStateSize.Size, VmStateSize.Size),
            FrameType.VmStateReceived or FrameType.VmStateLoaded => (0, 0),
            FrameType.CheckpointAbort or FrameType.CheckpointWanted => (1, 1),
            FrameType.VmStateData => (1, DevicePieceMax),
            FrameType.LiveStart or FrameType.LiveStartReply => (1, 1),
            FrameType.PageHashes => (8 + PageHash.Size, ControlPayloadMax),
            FrameType.PageChunk or FrameType.PagePrecopy => (PageChunk.HeaderSize + PageChunk.RecordSize, ChunkPayloadMax),
            FrameType.PagesEnd => (16, 16),
            FrameType.None => (0, -1),
            _ => (0, -1),
        };
        if (most < 0)
        {
            return LinkFailure.UnexpectedFrame;
        }

        return length < least || length > most ? LinkFailure.BadLength : LinkFailure.None;
    }
}
