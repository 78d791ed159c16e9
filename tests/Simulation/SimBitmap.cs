using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Simulation;

/// <summary>
/// What a host notes beside its disk, and loses with it: with whom the disk is in step but for which sectors, and the
/// last term in which it was. The production counterparts are the disk's bitmap and the node's remembered terms.
/// </summary>
public sealed class SimBitmap
{
    private readonly SortedSet<int> _named = [];
    private readonly SortedSet<int> _sinceCopy = [];

    /// <summary>Number of the copy that made two disks equal; 0 for none.</summary>
    public long Session { get; private set; }

    public Term LastInStep { get; private set; } = Term.Zero;

    /// <summary>Where this disk may differ from the other one of its session. An owner names what it writes in a pair
    /// too: a crash of either host may leave one disk without it.</summary>
    public IReadOnlyCollection<int> Named => _named;

    public void Name(int sector)
    {
        _named.Add(sector);
        _sinceCopy.Add(sector);
    }

    /// <summary>Owner: a copy in a new session begins; until the joiner has it all, nothing is forgotten.</summary>
    public void Adopt(long session)
    {
        Session = session;
        _sinceCopy.Clear();
    }

    /// <summary>Joiner: what differs is the owner's to know.</summary>
    public void Follow(long session)
    {
        Session = session;
        _named.Clear();
        _sinceCopy.Clear();
    }

    /// <summary>Owner: the pair is in force, so the copy is complete.</summary>
    public void Paired() => _named.IntersectWith(_sinceCopy);

    public void Note(VmStatus status)
    {
        if (status.State is nameof(FailoverState.Primary) or nameof(FailoverState.Secondary)
            or nameof(FailoverState.Solo) or nameof(FailoverState.Booting) or nameof(FailoverState.SecondaryAsking))
        {
            LastInStep = status.Term;
        }
    }

    /// <summary>The disk is gone.</summary>
    /// <param name="mutant">What outlives it nevertheless.</param>
    public void Lose(Mutant mutant)
    {
        if (mutant != Mutant.KeptSession)
        {
            Follow(0);
        }

        if (mutant is not (Mutant.KeptSession or Mutant.KeptTerm))
        {
            LastInStep = Term.Zero;
        }
    }
}
