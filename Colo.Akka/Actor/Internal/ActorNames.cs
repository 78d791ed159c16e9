using System.Globalization;

namespace Akka.Actor.Internal;

/// <summary>Names of actors as users give them.</summary>
internal static class ActorNames
{
    /// <summary>Splits <c>name#uid</c>; without a uid it is 0.</summary>
    public static (string Name, long Uid) Split(string name)
    {
        var hash = name.IndexOf('#');
        return hash < 0
            ? (name, ActorCell.UndefinedUid)
            : (name[..hash], long.Parse(name.AsSpan(hash + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture));
    }

    /// <exception cref="InvalidActorNameException">
    /// Empty, or a path cannot carry it. Null is fine: the engine makes one up.
    /// </exception>
    public static void Check(string name)
    {
        if (name is null)
        {
            return;
        }

        if (name.Length == 0)
        {
            throw new InvalidActorNameException("Actor name must not be empty.");
        }

        if (!ActorPath.IsValidPathElement(name))
        {
            throw new InvalidActorNameException(
                $"Illegal actor name [{name}]. Actor paths MUST: not start with `$`, include only ASCII letters and can "
                + "only contain these special characters: \"-_.*$+:@&=,!~';().");
        }
    }
}
