namespace Colo.Actors.Protocol;

/// <summary>
/// Checks that stay on in release builds. The id is the invariant's in the reliability page (S1-S16, L1-L6); the values
/// go into the text, so that the event alone tells what was compared.
/// </summary>
public static class Invariant
{
    public static void Require(bool condition, string id, string what)
    {
        if (!condition)
        {
            throw new InvariantViolationException(id, what);
        }
    }

    /// <summary>As the other one; <paramref name="left"/> and <paramref name="right"/> are the two sides of the failed
    /// comparison.</summary>
    public static void Require<TLeft, TRight>(bool condition, string id, string what, TLeft left, TRight right)
    {
        if (!condition)
        {
            throw new InvariantViolationException(id, $"{what}: {left} against {right}");
        }
    }
}
