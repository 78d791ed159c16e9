namespace Akka.Coordination;

/// <summary>
/// A right that at most one owner holds at a time, kept by a service outside of the nodes. Implementations are made
/// with a constructor that takes <c>(LeaseSettings, ExtendedActorSystem)</c> or <c>(LeaseSettings)</c>.
/// </summary>
public abstract class Lease
{
    protected Lease(LeaseSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        Settings = settings;
    }

    public LeaseSettings Settings { get; }

    /// <summary>True when this owner holds the lease now; false when another does. Faults when nobody can
    /// say.</summary>
    public abstract Task<bool> Acquire();

    /// <summary>As <see cref="Acquire()"/>; <paramref name="leaseLostCallback"/> runs when the lease is lost
    /// later.</summary>
    public abstract Task<bool> Acquire(Action<Exception> leaseLostCallback);

    /// <summary>True when the lease was given back.</summary>
    public abstract Task<bool> Release();

    /// <summary>Whether this owner holds the lease as far as it knows, without asking the service.</summary>
    public abstract bool CheckLease();
}
