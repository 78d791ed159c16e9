using System.Buffers.Binary;

namespace Colo.Vmm.Net;

/// <summary>What the reader found at the front of its buffer.</summary>
public enum FrameReadResult
{
    /// <summary>A frame was returned.</summary>
    Frame = 1,

    /// <summary>More bytes are needed.</summary>
    Incomplete,

    /// <summary>The stream is not what it claims: the connection has to be closed.</summary>
    Invalid,
}

/// <summary>
/// Cuts a byte stream into frames wherever the stream was split. Bytes are received into <see cref="FillSpan"/>,
/// and frames are read in place. Holds one buffer for its whole life.
/// </summary>
public sealed class FrameStreamReader
{
    private readonly byte[] buffer;
    private readonly bool hasVnetHeader;
    private int start;
    private int end;

    /// <summary>A reader whose buffer holds at least one frame of the largest size.</summary>
    public FrameStreamReader(bool hasVnetHeader = false, int bufferBytes = 256 * 1024)
    {
        this.hasVnetHeader = hasVnetHeader;
        var needed = StreamFraming.MaxPayloadBytes + StreamFraming.PrefixBytes(hasVnetHeader);
        buffer = GC.AllocateUninitializedArray<byte>(Math.Max(bufferBytes, needed), pinned: true);
    }

    /// <summary>Why the stream is invalid, or null.</summary>
    public string? Error { get; private set; }

    /// <summary>Bytes that were received and not yet read as frames.</summary>
    public int BufferedBytes => end - start;

    /// <summary>Empty frames that came before the last frame returned. QEMU's filters never send one.</summary>
    public long EmptyFrames { get; private set; }

    /// <summary>Where the next received bytes go; never empty while frames are read until incomplete.</summary>
    public Memory<byte> FillMemory
    {
        get
        {
            Compact();
            return buffer.AsMemory(end);
        }
    }

    /// <inheritdoc cref="FillMemory"/>
    public Span<byte> FillSpan => FillMemory.Span;

    /// <summary>Says how many bytes were put into <see cref="FillSpan"/>.</summary>
    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, buffer.Length - end);
        end += count;
    }

    /// <summary>The next whole frame. The span is valid until the next call of <see cref="FillSpan"/>. Empty frames
    /// are skipped.</summary>
    [HotPath]
    public FrameReadResult TryRead(out ReadOnlySpan<byte> payload, out int vnetHeaderLength)
    {
        payload = default;
        vnetHeaderLength = 0;
        var prefix = StreamFraming.PrefixBytes(hasVnetHeader);
        while (Error is null && end - start >= prefix)
        {
            var length = BinaryPrimitives.ReadUInt32BigEndian(buffer.AsSpan(start));
            var vnet = hasVnetHeader ? BinaryPrimitives.ReadUInt32BigEndian(buffer.AsSpan(start + 4)) : 0;
            if (length > StreamFraming.MaxPayloadBytes || vnet > StreamFraming.MaxVnetHeaderBytes || vnet > length)
            {
                Error = $"frame length {length} with vnet header {vnet}; expected at most {StreamFraming.MaxPayloadBytes} and a vnet "
                    + $"header of at most {StreamFraming.MaxVnetHeaderBytes} inside it";
                break;
            }
            if (end - start - prefix < (int)length)
            {
                return FrameReadResult.Incomplete;
            }
            payload = buffer.AsSpan(start + prefix, (int)length);
            vnetHeaderLength = (int)vnet;
            start += prefix + (int)length;
            if (length != 0)
            {
                return FrameReadResult.Frame;
            }

            EmptyFrames++;
        }
        return Error is null ? FrameReadResult.Incomplete : FrameReadResult.Invalid;
    }

    /// <summary>Forgets what was received, for a new connection.</summary>
    public void Reset()
    {
        start = 0;
        end = 0;
        EmptyFrames = 0;
        Error = null;
    }

    private void Compact()
    {
        if (start == end)
        {
            start = 0;
            end = 0;
        }
        else if (buffer.Length - end < StreamFraming.MaxPayloadBytes && start > 0)
        {
            buffer.AsSpan(start, end - start).CopyTo(buffer);
            end -= start;
            start = 0;
        }
    }
}
