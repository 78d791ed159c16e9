namespace Colo.Actors.Protocol;

/// <summary>
/// One life of a node's process. A restarted process has lost the guest's memory, so it is somebody else to the
/// arbiter: the in-sync set holds (host, incarnation) pairs. Any number that differs for each start will do; it is not
/// ordered.
/// </summary>
public readonly record struct Incarnation(long Value)
{
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
