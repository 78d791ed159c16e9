namespace Akka.Configuration.Hocon;

/// <summary>An array as it stands in the text.</summary>
public sealed class HoconArray : List<HoconValue>, IHoconElement
{
    public bool IsString() => false;

    public string GetString() => throw new NotSupportedException("An array has no text of its own.");

    public bool IsArray() => true;

    public IList<HoconValue> GetArray() => this;

    public override string ToString() => "[" + string.Join(",", this) + "]";
}
