using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Colo.Vmm.Links;

/// <summary>
/// The first bytes on every data link: who opens what for which VM in which term. All integers are big endian.
/// <code>
///  0  8  magic "COLOLINK"
///  8  2  version, 1
/// 10  2  kind (LinkKind)
/// 12  2  channel, 0 to 63: which of several links of one kind
/// 14  2  n, length of the VM's name in bytes, 0 to 64
/// 16  8  term
/// 24  2  m, length of the opening host's name in bytes, 1 to 64
/// 26  n  name of the VM, UTF-8
/// ..  m  name of the host, UTF-8
/// </code>
/// The answer is 20 bytes: the same magic, version, <see cref="LinkAnswer"/>, and the answering node's term.
/// </summary>
public sealed record LinkOpen(LinkKind Kind, int Channel, string Vm, ulong Term, string Host)
{
    public const ushort Version = 1;
    public const int FixedLength = 26;
    public const int NameLengthMax = 64;
    public const int ChannelMax = 63;
    public const int AnswerLength = 20;

    internal static ReadOnlySpan<byte> Magic => "COLOLINK"u8;

    /// <summary>The bytes to send.</summary>
    /// <exception cref="ArgumentException">A name is too long or the channel out of range: a mistake of this node's
    /// own.</exception>
    public byte[] ToBytes()
    {
        int vmLength = Encoding.UTF8.GetByteCount(Vm);
        int hostLength = Encoding.UTF8.GetByteCount(Host);
        if (vmLength > NameLengthMax || hostLength is 0 or > NameLengthMax || Channel is < 0 or > ChannelMax)
        {
            throw new ArgumentException($"link open: vm '{Vm}', host '{Host}', channel {Channel}: names are 1 to {NameLengthMax} bytes, channels 0 to {ChannelMax}");
        }

        byte[] bytes = new byte[FixedLength + vmLength + hostLength];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(8), Version);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(10), (ushort)Kind);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(12), (ushort)Channel);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(14), (ushort)vmLength);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(16), Term);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(24), (ushort)hostLength);
        Encoding.UTF8.GetBytes(Vm, bytes.AsSpan(FixedLength));
        Encoding.UTF8.GetBytes(Host, bytes.AsSpan(FixedLength + vmLength));
        return bytes;
    }

    /// <summary>Reads the fixed part; says how many bytes of names follow.</summary>
    /// <returns>False when these are not the first bytes of a link; <paramref name="error"/> says what was
    /// expected.</returns>
    internal static bool TryReadFixed(
        ReadOnlySpan<byte> bytes, out int vmLength, out int hostLength, [NotNullWhen(false)] out string? error)
    {
        vmLength = 0;
        hostLength = 0;
        if (!bytes[..8].SequenceEqual(Magic))
        {
            error = "the first eight bytes are not COLOLINK";
            return false;
        }

        vmLength = BinaryPrimitives.ReadUInt16BigEndian(bytes[14..]);
        hostLength = BinaryPrimitives.ReadUInt16BigEndian(bytes[24..]);
        int channel = BinaryPrimitives.ReadUInt16BigEndian(bytes[12..]);
        if (vmLength > NameLengthMax || hostLength is 0 or > NameLengthMax || channel > ChannelMax)
        {
            error = $"names of {vmLength} and {hostLength} bytes, channel {channel}: the limits are {NameLengthMax}, {NameLengthMax}, {ChannelMax}";
            return false;
        }

        error = null;
        return true;
    }

    /// <summary>Reads a whole open message whose fixed part was accepted by <see cref="TryReadFixed"/>.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> bytes, out LinkOpen? open, [NotNullWhen(false)] out string? error)
    {
        open = null;
        if (!TryReadFixed(bytes, out int vmLength, out int hostLength, out error))
        {
            return false;
        }

        var kind = (LinkKind)BinaryPrimitives.ReadUInt16BigEndian(bytes[10..]);
        if (kind is < LinkKind.CheckpointControl or > LinkKind.Control)
        {
            error = $"kind {(ushort)kind} is not one of 1 to {(ushort)LinkKind.Control}";
            return false;
        }

        open = new LinkOpen(
            kind,
            BinaryPrimitives.ReadUInt16BigEndian(bytes[12..]),
            Encoding.UTF8.GetString(bytes.Slice(FixedLength, vmLength)),
            BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]),
            Encoding.UTF8.GetString(bytes.Slice(FixedLength + vmLength, hostLength)));
        return true;
    }

    internal static ushort ReadVersion(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt16BigEndian(bytes[8..]);

    internal static byte[] AnswerBytes(LinkAnswer answer, ulong term)
    {
        byte[] bytes = new byte[AnswerLength];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(8), Version);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(10), (ushort)answer);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(12), term);
        return bytes;
    }
}
