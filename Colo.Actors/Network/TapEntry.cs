using System.Text.Json.Serialization;

namespace Colo.Actors.Network;

/// <summary>One decision of a comparer, for operators. It holds nothing of what guests say to their clients unless
/// that was asked for.</summary>
/// <param name="Nic">Number of the guest's card.</param>
/// <param name="Connection">Class, addresses and ports as the guest sees them; empty for a checkpoint that no
/// connection is named for.</param>
/// <param name="Bytes">Length of the frame; 0 where there is none.</param>
/// <param name="Epoch">The epoch that the frame was made in.</param>
public sealed record TapEntry(
    long Id, DateTimeOffset Time, int Nic, TapWord Word, TapReason Reason, string Connection, int Bytes, long Epoch)
{
    /// <summary>Where the first unequal byte is: in the TCP stream since its start (or since the first byte seen), or
    /// in the datagram. Null for what is no byte.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? Offset { get; init; }

    /// <summary>The primary's byte there; null when it has none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? PrimaryByte { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? SecondaryByte { get; init; }

    /// <summary>The payloads around that byte, as hexadecimal digits. The customer's data: null unless asked
    /// for.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? PrimaryPayload { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? SecondaryPayload { get; init; }

    /// <summary>The same without the customer's data, but for the one byte of each side that differs.</summary>
    public TapEntry WithoutPayload() => this with { PrimaryPayload = null, SecondaryPayload = null };
}
