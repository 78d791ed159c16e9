namespace Akka.Configuration.Hocon;

/// <summary>A piece of text, quoted or not. <c>null</c> is a literal whose <see cref="Value"/> is null.</summary>
public sealed class HoconLiteral : IHoconElement
{
    public string? Value { get; set; }

    public bool IsString() => true;

    public string? GetString() => Value;

    public bool IsArray() => false;

    public IList<HoconValue> GetArray() =>
        throw new NotSupportedException($"The text '{Value}' is not an array.");

    public override string ToString() => Value ?? "null";
}
