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

    /// <summary>SYN segments whose window scale, timestamp or SACK options promise different things for the
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
            DifferenceKind.SynOptions => "SYN options: window scale, timestamps or SACK are promised differently",
            _ => throw new System.Diagnostics.UnreachableException(),
        };
        return string.Create(CultureInfo.InvariantCulture, $"{Connection}, epoch {Primary.Epoch}: {what}");
    }
}
