namespace Colo.Vmm.Links;

/// <summary>What the accepting node says to a <see cref="LinkOpen"/>. The numbers are on the wire.</summary>
public enum LinkAnswer : ushort
{
    /// <summary>The link is open.</summary>
    Accepted = 1,

    /// <summary>No VM of that name is known here.</summary>
    UnknownVm = 2,

    /// <summary>The opener's term is older than this node's: it lost a takeover that it has not heard of.</summary>
    OldTerm = 3,

    /// <summary>This node does not expect such a link now, for example because it is no secondary of the VM.</summary>
    NotExpected = 4,

    /// <summary>The opener speaks another version; the answer carries this node's.</summary>
    WrongVersion = 5,
}
