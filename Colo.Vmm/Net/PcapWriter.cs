using System.Buffers.Binary;

namespace Colo.Vmm.Net;

/// <summary>Resolution of a capture file's times.</summary>
public enum PcapResolution
{
    Microseconds = 1,
    Nanoseconds,
}

/// <summary>
/// Writes a classic pcap file of Ethernet frames, little-endian (draft-ietf-opsawg-pcap). Stops at its size limit
/// and says so; a capture must not fill a disk. Does not own the stream.
/// </summary>
public sealed class PcapWriter
{
    private const int FileHeaderBytes = 24;
    private const int RecordHeaderBytes = 16;
    private readonly Stream target;
    private readonly PcapResolution resolution;
    private readonly long sizeBytesMax;
    private readonly byte[] header = new byte[FileHeaderBytes];

    /// <summary>Writes the file header at once.</summary>
    public PcapWriter(Stream target, PcapResolution resolution = PcapResolution.Nanoseconds, long sizeBytesMax = 256L << 20)
    {
        ArgumentNullException.ThrowIfNull(target);
        this.target = target;
        this.resolution = resolution;
        this.sizeBytesMax = sizeBytesMax;
        var magic = resolution == PcapResolution.Nanoseconds ? 0xA1B23C4D : 0xA1B2C3D4;
        BinaryPrimitives.WriteUInt32LittleEndian(header, magic);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(4), 2);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(6), 4);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(16), 262144);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(20), 1);
        target.Write(header);
        SizeBytes = FileHeaderBytes;
    }

    public long SizeBytes { get; private set; }

    /// <summary>Frames left out at the size limit.</summary>
    public long Skipped { get; private set; }

    /// <summary>Appends one frame; <paramref name="time"/> counts from 1970-01-01 UTC, in 100 ns steps.</summary>
    [HotPath]
    public void Write(TimeSpan time, ReadOnlySpan<byte> frame)
    {
        if (SizeBytes + RecordHeaderBytes + frame.Length > sizeBytesMax)
        {
            Skipped++;
            return;
        }
        var ticks = Math.Max(time.Ticks, 0);
        var fraction = ticks % TimeSpan.TicksPerSecond;
        var record = header.AsSpan(0, RecordHeaderBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(record, unchecked((uint)(ticks / TimeSpan.TicksPerSecond)));
        BinaryPrimitives.WriteUInt32LittleEndian(
            record[4..], (uint)(resolution == PcapResolution.Nanoseconds ? fraction * 100 : fraction / 10));
        BinaryPrimitives.WriteUInt32LittleEndian(record[8..], (uint)frame.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record[12..], (uint)frame.Length);
        target.Write(record);
        target.Write(frame);
        SizeBytes += RecordHeaderBytes + frame.Length;
    }

    public void Flush() => target.Flush();
}
