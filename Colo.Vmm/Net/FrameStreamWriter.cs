using System.Buffers.Binary;

namespace Colo.Vmm.Net;

/// <summary>Frames a batch of packets into one buffer, so that one send carries many.</summary>
public sealed class FrameStreamWriter
{
    private readonly byte[] buffer;
    private readonly bool hasVnetHeader;
    private int end;

    /// <summary>A writer whose buffer holds at least one frame of the largest size.</summary>
    public FrameStreamWriter(bool hasVnetHeader = false, int bufferBytes = 256 * 1024)
    {
        this.hasVnetHeader = hasVnetHeader;
        var needed = StreamFraming.MaxPayloadBytes + StreamFraming.PrefixBytes(hasVnetHeader);
        buffer = GC.AllocateUninitializedArray<byte>(Math.Max(bufferBytes, needed), pinned: true);
    }

    /// <summary>What has been framed and not yet cleared.</summary>
    public ReadOnlyMemory<byte> Pending => buffer.AsMemory(0, end);

    /// <summary>Appends one frame; false when it does not fit (send what is pending first) or is larger than any
    /// frame may be.</summary>
    [HotPath]
    public bool TryAppend(ReadOnlySpan<byte> payload, int vnetHeaderLength = 0)
    {
        var prefix = StreamFraming.PrefixBytes(hasVnetHeader);
        if (payload.Length > StreamFraming.MaxPayloadBytes || buffer.Length - end < prefix + payload.Length)
        {
            return false;
        }
        if (payload.IsEmpty)
        {
            return true;
        }
        BinaryPrimitives.WriteUInt32BigEndian(buffer.AsSpan(end), (uint)payload.Length);
        if (hasVnetHeader)
        {
            BinaryPrimitives.WriteUInt32BigEndian(buffer.AsSpan(end + 4), (uint)vnetHeaderLength);
        }
        payload.CopyTo(buffer.AsSpan(end + prefix));
        end += prefix + payload.Length;
        return true;
    }

    /// <summary>Appends a frame without a payload, which readers skip and count; false when it does not fit.</summary>
    public bool TryAppendEmpty()
    {
        var prefix = StreamFraming.PrefixBytes(hasVnetHeader);
        if (buffer.Length - end < prefix)
        {
            return false;
        }
        buffer.AsSpan(end, prefix).Clear();
        end += prefix;
        return true;
    }

    /// <summary>Forgets what was pending.</summary>
    public void Clear() => end = 0;
}
