namespace Akka.Remote;

/// <summary>One failure detector for each of many peers, made at the first heartbeat.</summary>
public interface IFailureDetectorRegistry<in T>
{
    /// <summary>True for a peer that was never heard of.</summary>
    bool IsAvailable(T resource);

    bool IsMonitoring(T resource);

    void Heartbeat(T resource);

    void Remove(T resource);

    /// <summary>Forgets every peer.</summary>
    void Reset();
}
