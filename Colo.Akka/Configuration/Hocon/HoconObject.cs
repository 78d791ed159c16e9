using System.Text;

namespace Akka.Configuration.Hocon;

/// <summary>Keys and values in the order of their first appearance. Keys are held without quotes.</summary>
public class HoconObject : IHoconElement
{
    public HoconObject() => Items = [];

    public Dictionary<string, HoconValue> Items { get; private set; }

    /// <summary>The object as plain dictionaries, lists and strings.</summary>
    public IDictionary<string, object> Unwrapped => Items.ToDictionary(item => item.Key, item => Unwrap(item.Value));

    public bool IsString() => false;

    public string GetString() => throw new NotSupportedException("An object has no text of its own.");

    public bool IsArray() => false;

    public IList<HoconValue> GetArray() => throw new NotSupportedException("An object is not an array.");

    /// <summary>The value of a key, or null.</summary>
    public HoconValue? GetKey(string key) => Items.GetValueOrDefault(key);

    public HoconValue GetOrCreateKey(string key)
    {
        if (!Items.TryGetValue(key, out var value))
        {
            value = new HoconValue();
            Items.Add(key, value);
        }

        return value;
    }

    /// <summary>Takes over the keys of <paramref name="other"/>; where both have a key, objects merge and anything else
    /// is replaced.</summary>
    public void Merge(HoconObject other)
    {
        foreach (var (key, theirs) in other.Items)
        {
            Items[key] = Items.TryGetValue(key, out var ours) && ours.IsObject() && theirs.IsObject()
                ? new HoconValue(MergedCopy(ours.GetObject()!, theirs.GetObject()!))
                : theirs;
        }
    }

    public override string ToString() => ToString(0);

    public string ToString(int indent)
    {
        var text = new StringBuilder();
        var margin = new string(' ', indent * 2);
        foreach (var (key, value) in Items)
        {
            text.Append(margin).Append(HoconText.QuoteKey(key)).Append(" : ").Append(value.ToString(indent)).Append('\n');
        }

        return text.ToString();
    }

    internal static HoconObject MergedCopy(HoconObject first, HoconObject second)
    {
        var merged = new HoconObject { Items = new Dictionary<string, HoconValue>(first.Items) };
        merged.Merge(second);
        return merged;
    }

    private static object Unwrap(HoconValue value)
    {
        if (value.GetObject() is { } child)
        {
            return child.Unwrapped;
        }

        return value.IsArray() ? value.GetArray().Select(Unwrap).ToList() : value.GetString()!;
    }
}
