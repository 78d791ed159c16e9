using Akka.Actor;

namespace Akka.Cluster;

/// <summary>Something about the cluster went wrong.</summary>
public class ClusterException : AkkaException
{
    public ClusterException(string message)
        : base(message)
    {
    }
}

/// <summary>The node did not get into the cluster.</summary>
public class ClusterJoinFailedException : AkkaException
{
    public ClusterJoinFailedException(string message)
        : base(message)
    {
    }

    public ClusterJoinFailedException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
