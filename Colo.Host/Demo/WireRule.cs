namespace Colo.Host.Demo;

/// <summary>What a <see cref="LabWire"/> does to the frames of both directions. All zero: nothing.</summary>
public sealed record WireRule
{
    /// <summary>Each frame takes so long.</summary>
    public int DelayMs { get; init; }

    /// <summary>And up to so much longer, each another time; they stay in order.</summary>
    public int JitterMs { get; init; }

    /// <summary>Bytes a second that pass in one direction, 0 for all. A second's worth waits, what is beyond that is
    /// lost.</summary>
    public long BytesPerSecond { get; init; }

    /// <summary>Of a thousand frames so many are lost.</summary>
    public int LostPerMille { get; init; }

    /// <summary>Of a thousand frames so many arrive twice.</summary>
    public int DoubledPerMille { get; init; }

    /// <summary>Of a thousand frames so many arrive after later ones.</summary>
    public int LatePerMille { get; init; }

    /// <summary>Of a thousand frames so many have one wrong bit, behind the head of Ethernet.</summary>
    public int DamagedPerMille { get; init; }

    /// <summary>Nothing passes; all of it arrives at once when this ends.</summary>
    public bool Clogged { get; init; }
}
