namespace Akka.Actor;

/// <summary>Splits paths that carry no address.</summary>
public static class RelativeActorPath
{
    /// <summary>The elements of a relative or absolute path without address; null when it has an address.</summary>
    public static IEnumerable<string> Unapply(string addr)
    {
        if (addr.Contains("://", StringComparison.Ordinal))
        {
            return null;
        }

        return addr.StartsWith('/') ? addr[1..].Split('/') : addr.Split('/');
    }
}
