using System.Buffers.Binary;

namespace Colo.Vmm.Net;

/// <summary>The Internet checksum (RFC 1071) and its update by difference (RFC 1624, equation 3).</summary>
public static class InternetChecksum
{
    /// <summary>Adds bytes to a running one's complement sum; an odd last byte is padded with zero.</summary>
    public static uint Add(uint sum, ReadOnlySpan<byte> bytes)
    {
        ulong total = sum;
        while (bytes.Length >= 4)
        {
            total += BinaryPrimitives.ReadUInt32BigEndian(bytes);
            bytes = bytes[4..];
        }
        if (bytes.Length >= 2)
        {
            total += BinaryPrimitives.ReadUInt16BigEndian(bytes);
            bytes = bytes[2..];
        }
        if (bytes.Length == 1)
        {
            total += (uint)bytes[0] << 8;
        }
        total = (total & 0xFFFF_FFFF) + (total >> 32);
        total = (total & 0xFFFF_FFFF) + (total >> 32);
        return Fold((uint)total);
    }

    /// <summary>Folds the carries into 16 bits; the result is not complemented.</summary>
    public static uint Fold(uint sum)
    {
        sum = (sum & 0xFFFF) + (sum >> 16);
        return (sum & 0xFFFF) + (sum >> 16);
    }

    /// <summary>The checksum of a TCP, UDP or ICMPv6 message with its pseudo header, checksum field taken as it
    /// stands.</summary>
    public static ushort ComputeTransport(
        ReadOnlySpan<byte> source, ReadOnlySpan<byte> destination, int protocol, ReadOnlySpan<byte> message)
    {
        var sum = Add(Add(0, source), destination);
        sum = Fold(sum + (uint)protocol + ((uint)message.Length >> 16) + ((uint)message.Length & 0xFFFF));
        return (ushort)~Add(sum, message);
    }

    /// <summary>
    /// The new value of a checksum field after a 32-bit field changed. <paramref name="isAtOddOffset"/> says that
    /// the field begins at an odd distance from the start of the message, where its bytes stand in the other halves
    /// of the sum's words.
    /// </summary>
    public static ushort Update(ushort checksum, uint oldValue, uint newValue, bool isAtOddOffset = false)
    {
        var difference = Fold(~oldValue >> 16) + (~oldValue & 0xFFFF);
        difference = Fold(difference + (newValue >> 16) + (newValue & 0xFFFF));
        if (isAtOddOffset)
        {
            difference = ((difference & 0xFF) << 8) | (difference >> 8);
        }
        return (ushort)~Fold((uint)(ushort)~checksum + difference);
    }
}
