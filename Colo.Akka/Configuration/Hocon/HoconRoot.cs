namespace Akka.Configuration.Hocon;

/// <summary>The result of reading one text: its value and the substitutions that it contains.</summary>
public class HoconRoot
{
    public HoconRoot()
    {
        Value = new HoconValue();
        Substitutions = [];
    }

    public HoconRoot(HoconValue value)
        : this(value, [])
    {
    }

    public HoconRoot(HoconValue value, IEnumerable<HoconSubstitution> substitutions)
    {
        Value = value;
        Substitutions = substitutions;
    }

    public HoconValue Value { get; }

    public IEnumerable<HoconSubstitution> Substitutions { get; }
}
