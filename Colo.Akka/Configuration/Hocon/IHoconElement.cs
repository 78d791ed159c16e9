namespace Akka.Configuration.Hocon;

/// <summary>One piece of a HOCON value: a literal, an array, an object or a substitution.</summary>
public interface IHoconElement
{
    /// <summary>Whether the element reads as text.</summary>
    bool IsString();

    /// <summary>The text of the element; null for <c>null</c> and for an optional substitution that found
    /// nothing.</summary>
    string? GetString();

    /// <summary>Whether the element is an array, or refers to one.</summary>
    bool IsArray();

    /// <summary>The elements in the order of the text.</summary>
    IList<HoconValue> GetArray();
}
