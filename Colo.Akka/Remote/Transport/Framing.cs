using System.Buffers;
using System.Buffers.Binary;

namespace Akka.Remote.Transport;

/// <summary>
/// The layout on a link:
/// <code>
/// preamble, once each way   0..3 magic "COLO"   4..5 version, little endian   6..7 zero
/// frame                     0..3 length of kind and body, little endian   4 kind   5.. body (protobuf, see Protos/Remote.proto)
/// </code>
/// </summary>
internal static class Framing
{
    internal const int PreambleSize = 8;
    internal const int HeaderSize = 5;
    internal const ushort Version = 1;

    /// <summary>What is added to the largest payload for paths, manifests and field headers.</summary>
    internal const int Overhead = 16 * 1024;

    private static ReadOnlySpan<byte> Magic => "COLO"u8;

    internal static void WritePreamble(IBufferWriter<byte> output)
    {
        var span = output.GetSpan(PreambleSize);
        Magic.CopyTo(span);
        BinaryPrimitives.WriteUInt16LittleEndian(span[4..], Version);
        BinaryPrimitives.WriteUInt16LittleEndian(span[6..], 0);
        output.Advance(PreambleSize);
    }

    internal static void WriteHeader(Span<byte> destination, FrameKind kind, int bodyLength)
    {
        BinaryPrimitives.WriteInt32LittleEndian(destination, bodyLength + 1);
        destination[4] = (byte)kind;
    }

    /// <summary>Takes the preamble off <paramref name="buffer"/>; false when it is not all there yet.</summary>
    internal static bool TryReadPreamble(ref ReadOnlySequence<byte> buffer)
    {
        Span<byte> preamble = stackalloc byte[PreambleSize];
        var present = buffer.Slice(0, Math.Min(buffer.Length, PreambleSize));
        present.CopyTo(preamble);
        // Judged as soon as the first bytes are there: a stray HTTP client need not send eight of them to be refused.
        var compare = (int)Math.Min(present.Length, Magic.Length);
        if (!preamble[..compare].SequenceEqual(Magic[..compare]))
        {
            throw new WireFormatException("the first bytes are not those of this protocol; expected the magic number \"COLO\"");
        }

        if (present.Length < PreambleSize)
        {
            return false;
        }

        var version = BinaryPrimitives.ReadUInt16LittleEndian(preamble[4..]);
        if (version != Version)
        {
            throw new WireFormatException($"protocol version {version}; expected {Version}");
        }

        buffer = buffer.Slice(PreambleSize);
        return true;
    }

    /// <summary>Takes one frame off <paramref name="buffer"/>; false when it is not all there yet.</summary>
    internal static bool TryReadFrame(
        ref ReadOnlySequence<byte> buffer, int maximumFrameSize, out FrameKind kind, out ReadOnlySequence<byte> body)
    {
        kind = default;
        body = default;
        if (buffer.Length < HeaderSize)
        {
            return false;
        }

        Span<byte> header = stackalloc byte[HeaderSize];
        if (buffer.FirstSpan.Length >= HeaderSize)
        {
            buffer.FirstSpan[..HeaderSize].CopyTo(header);
        }
        else
        {
            buffer.Slice(0, HeaderSize).CopyTo(header);
        }

        var length = BinaryPrimitives.ReadInt32LittleEndian(header);
        kind = (FrameKind)header[4];
        if (length < 1 || length > maximumFrameSize)
        {
            throw new WireFormatException($"a frame of {length} bytes; expected 1 to {maximumFrameSize}");
        }

        if (kind is < FrameKind.Hello or > FrameKind.Goodbye)
        {
            throw new WireFormatException($"a frame of kind {(int)kind}; expected {(int)FrameKind.Hello} to {(int)FrameKind.Goodbye}");
        }

        if (buffer.Length < HeaderSize + length - 1)
        {
            return false;
        }

        body = buffer.Slice(HeaderSize, length - 1);
        buffer = buffer.Slice(HeaderSize + length - 1);
        return true;
    }
}
