using System.Buffers.Binary;
using Colo.Vmm.Checksums;

namespace Colo.Vmm.Checkpoint;

/// <summary>Which end of a link somebody is.</summary>
public enum LinkRole : byte
{
    None = 0,
    Primary = 1,
    Secondary = 2,
}

/// <summary>What both ends must know for a feature to be used.</summary>
[Flags]
public enum LinkFeatures
{
    None = 0,

    /// <summary>Pages may be sent as the difference to the copy that the secondary has.</summary>
    Delta = 1,

    /// <summary>Chunk bodies may be compressed (Brotli, RFC 7932).</summary>
    Compression = 2,

    /// <summary>The secondary can report the hashes of its pages at a live start.</summary>
    Hashes = 4,
}

/// <summary>
/// The first 64 bytes in each direction of each channel: magic, version, and everything that must be equal on both ends
/// or that the other end must know before the first frame. Little-endian.
/// </summary>
internal readonly record struct ChannelHello(
    LinkRole Role, bool IsControl, int ChannelIndex, int PageChannelCount, ulong Session, ulong Term,
    ulong RamBase, ulong RamSize, LinkFeatures Features)
{
    public const int Size = 64;
    public const ushort Version = 2;

    private static ReadOnlySpan<byte> Magic => "COLOCKPT"u8;

    public void Write(Span<byte> destination)
    {
        destination = destination[..Size];
        destination.Clear();
        Magic.CopyTo(destination);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[8..], Version);
        destination[10] = (byte)Role;
        destination[11] = (byte)(IsControl ? 1 : 2);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[12..], (ushort)ChannelIndex);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[14..], (ushort)PageChannelCount);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[16..], Session);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[24..], Term);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[32..], RamBase);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[40..], RamSize);
        BinaryPrimitives.WriteInt32LittleEndian(destination[48..], FrameLimits.PageSize);
        BinaryPrimitives.WriteInt32LittleEndian(destination[52..], FrameLimits.PagesPerChunkMax);
        BinaryPrimitives.WriteInt32LittleEndian(destination[56..], (int)Features);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[60..], Crc32C.Compute(destination[..60]));
    }

    /// <summary>
    /// Reads the peer's hello and compares it with our own; <paramref name="error"/> names the first field that is
    /// wrong.
    /// </summary>
    public static bool TryRead(ReadOnlySpan<byte> source, in ChannelHello own, out ChannelHello peer, out string error)
    {
        peer = default;
        source = source[..Size];
        if (!source[..8].SequenceEqual(Magic))
        {
            error = "the peer does not speak the checkpoint protocol (magic number differs)";
            return false;
        }

        if (BinaryPrimitives.ReadUInt32LittleEndian(source[60..]) != Crc32C.Compute(source[..60]))
        {
            error = "the checksum of the peer's channel opening is wrong";
            return false;
        }

        var version = BinaryPrimitives.ReadUInt16LittleEndian(source[8..]);
        if (version != Version)
        {
            error = $"the peer speaks version {version} of the checkpoint protocol, expected {Version}";
            return false;
        }

        peer = new ChannelHello(
            (LinkRole)source[10],
            source[11] == 1,
            BinaryPrimitives.ReadUInt16LittleEndian(source[12..]),
            BinaryPrimitives.ReadUInt16LittleEndian(source[14..]),
            BinaryPrimitives.ReadUInt64LittleEndian(source[16..]),
            BinaryPrimitives.ReadUInt64LittleEndian(source[24..]),
            BinaryPrimitives.ReadUInt64LittleEndian(source[32..]),
            BinaryPrimitives.ReadUInt64LittleEndian(source[40..]),
            (LinkFeatures)BinaryPrimitives.ReadInt32LittleEndian(source[56..]));
        error = Mismatch(source, own, peer);
        return error.Length == 0;
    }

    private static string Mismatch(ReadOnlySpan<byte> source, in ChannelHello own, in ChannelHello peer)
    {
        var expectedRole = own.Role == LinkRole.Primary ? LinkRole.Secondary : LinkRole.Primary;
        var pageSize = BinaryPrimitives.ReadInt32LittleEndian(source[48..]);
        var pagesPerChunk = BinaryPrimitives.ReadInt32LittleEndian(source[52..]);
        return peer switch
        {
            _ when peer.Role != expectedRole => $"the peer is '{peer.Role}', expected '{expectedRole}'",
            _ when source[11] is not (1 or 2) => $"channel kind is {source[11]}, expected 1 or 2",
            _ when peer.IsControl != own.IsControl || peer.ChannelIndex != own.ChannelIndex =>
                $"channel {peer.ChannelIndex} (control: {peer.IsControl}) was connected to channel "
                + $"{own.ChannelIndex} (control: {own.IsControl})",
            _ when peer.PageChannelCount != own.PageChannelCount =>
                $"the peer uses {peer.PageChannelCount} page channels, expected {own.PageChannelCount}",
            _ when peer.Session != own.Session => $"session is {peer.Session:x16}, expected {own.Session:x16}",
            _ when peer.Term != own.Term => $"the peer's term is {peer.Term}, expected {own.Term}",
            _ when peer.RamBase != own.RamBase || peer.RamSize != own.RamSize =>
                $"the peer's RAM is {peer.RamSize} bytes at 0x{peer.RamBase:x}, expected {own.RamSize} at 0x{own.RamBase:x}",
            _ when pageSize != FrameLimits.PageSize => $"page size is {pageSize}, expected {FrameLimits.PageSize}",
            _ when pagesPerChunk != FrameLimits.PagesPerChunkMax =>
                $"pages per chunk is {pagesPerChunk}, expected {FrameLimits.PagesPerChunkMax}",
            _ => "",
        };
    }
}
