using System.Globalization;

namespace Colo.Vmm.Net;

/// <summary>What differs first.</summary>
public enum DifferenceKind
{
    /// <summary>One byte of the payload.</summary>
    Payload = 1,

    /// <summary>Datagrams of unequal length.</summary>
    Length,

    /// <summary>One side ended the stream where the other goes on.</summary>
    EndOfStream,

    /// <summary>SYN segments whose window scale, timestamp, SACK or multipath options promise different things for the
    /// connection's whole life.</summary>
    SynOptions,
}

/// <summary>The first difference between the replicas on a connection, with the two frames that show it. Valid
/// during the call only.</summary>
public readonly ref struct FrameDifference
{
    public required ConnectionKey Connection { get; init; }

    public required DifferenceKind Kind { get; init; }

    /// <summary>TCP: bytes since the start of the stream, or since the first byte seen. Datagrams: offset in the
    /// message.</summary>
    public required long StreamOffset { get; init; }

    /// <summary>The two bytes, or -1 for "none here".</summary>
    public int PrimaryByte { get; init; }

    /// <inheritdoc cref="PrimaryByte"/>
    public int SecondaryByte { get; init; }

    public required PooledFrame Primary { get; init; }

    public required PooledFrame Secondary { get; init; }

    /// <summary>
    /// What the two frames carry around their first unequal byte, at most <paramref name="length"/> bytes of each: the
    /// customer's data. Of frames that are not aligned, the part that both have is compared.
    /// </summary>
    public (byte[] Primary, byte[] Secondary) Excerpt(int length)
    {
        var mine = Primary.Payload;
        var theirs = Secondary.Payload;
        if (Connection.Class == FlowClass.Tcp && Kind != DifferenceKind.SynOptions)
        {
            var ahead = Secondary.Sequence - Primary.Sequence;
            mine = ahead > 0 && ahead <= mine.Length ? mine[ahead..] : mine;
            theirs = ahead < 0 && -ahead <= theirs.Length ? theirs[-ahead..] : theirs;
        }
        var from = Math.Max(0, mine.CommonPrefixLength(theirs) - (length / 4));
        return (Part(mine, from, length), Part(theirs, from, length));

        static byte[] Part(ReadOnlySpan<byte> payload, int from, int length) =>
            from >= payload.Length ? [] : payload.Slice(from, Math.Min(length, payload.Length - from)).ToArray();
    }

    /// <summary>One sentence for an operator.</summary>
    public string Describe()
    {
        var what = Kind switch
        {
            DifferenceKind.Payload => string.Create(
                CultureInfo.InvariantCulture, $"byte {StreamOffset}: primary 0x{PrimaryByte:x2}, secondary 0x{SecondaryByte:x2}"),
            DifferenceKind.Length => string.Create(
                CultureInfo.InvariantCulture,
                $"length: primary {Primary.PayloadLength}, secondary {Secondary.PayloadLength} bytes"),
            DifferenceKind.EndOfStream => string.Create(
                CultureInfo.InvariantCulture,
                $"byte {StreamOffset}: {(PrimaryByte < 0 ? "the primary" : "the secondary")} ends the stream here, the other goes on"),
            DifferenceKind.SynOptions =>
                "SYN options: window scale, timestamps, SACK or multipath are promised differently",
            _ => throw new System.Diagnostics.UnreachableException(),
        };
        return string.Create(CultureInfo.InvariantCulture, $"{Connection}, epoch {Primary.Epoch}: {what}");
    }
}
