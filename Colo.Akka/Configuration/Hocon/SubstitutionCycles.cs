namespace Akka.Configuration.Hocon;

/// <summary>
/// Finds substitutions that lead back to themselves (<c>a = ${b}, b = ${a}</c>). Reading such a value would run the
/// stack out, which no caller can catch, so the text is refused.
/// </summary>
internal sealed class SubstitutionCycles
{
    private const int LongestChain = 1000;

    private readonly HashSet<HoconValue> _open = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<HoconValue> _done = new(ReferenceEqualityComparer.Instance);

    internal static void Refuse(HoconValue root) => new SubstitutionCycles().Walk(root, null);

    private void Walk(HoconValue value, HoconSubstitution? via)
    {
        if (_done.Contains(value))
        {
            return;
        }

        if (!_open.Add(value) || _open.Count > LongestChain)
        {
            throw new FormatException($"The substitution ${{{via?.Path}}} ({via?.Position}) refers to itself; expected an end of the chain.");
        }

        foreach (var element in value.Values)
        {
            switch (element)
            {
                case HoconSubstitution { ResolvedValue: { } target } substitution:
                    Walk(target, substitution);
                    break;
                case HoconObject child:
                    foreach (var item in child.Items.Values)
                    {
                        Walk(item, via);
                    }

                    break;
                case HoconArray array:
                    array.ForEach(item => Walk(item, via));
                    break;
                default:
                    break;
            }
        }

        _open.Remove(value);
        _done.Add(value);
    }
}
