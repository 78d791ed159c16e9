using System.Globalization;

namespace Akka.Configuration.Hocon;

/// <summary>
/// What stands behind a key: one or more elements side by side. Texts concatenate, arrays concatenate, objects merge.
/// </summary>
public class HoconValue : IMightBeAHoconObject
{
    public HoconValue() => Values = [];

    public HoconValue(List<IHoconElement> values) => Values = values;

    internal HoconValue(IHoconElement element) => Values = [element];

    public List<IHoconElement> Values { get; private set; }

    public bool IsEmpty => Values.Count == 0 || (Values is [HoconObject { Items.Count: 0 }]);

    public void AppendValue(IHoconElement value)
    {
        // Text that follows an object or an array replaces it; only like goes with like.
        if (value is HoconLiteral && Values.Count > 0 && Values[0] is (HoconObject or HoconArray))
        {
            Values.Clear();
        }

        Values.Add(value);
    }

    public void Clear() => Values.Clear();

    public void NewValue(IHoconElement value)
    {
        Values.Clear();
        Values.Add(value);
    }

    public bool IsString() => Values.Count > 0 && Values.TrueForAll(element => element.IsString());

    public bool IsArray() => GetArray().Count > 0 || Values.Exists(element => element.IsArray());

    public bool IsObject() => Values.Exists(element =>
        element is HoconObject || (element is IMightBeAHoconObject reference && reference.IsObject()));

    /// <summary>The object that this value is or refers to, several of them merged; null when there is none.</summary>
    public HoconObject? GetObject()
    {
        HoconObject? result = null;
        foreach (var element in Values)
        {
            var next = element as HoconObject ?? (element as IMightBeAHoconObject)?.GetObject();
            if (next is not null)
            {
                result = result is null ? next : HoconObject.MergedCopy(result, next);
            }
        }

        return result;
    }

    public HoconValue? GetChildObject(string key) => GetObject()?.GetKey(key);

    /// <summary>The text, or null for <c>null</c> and for what is not text.</summary>
    public string? GetString()
    {
        if (!IsString())
        {
            return null;
        }

        if (Values is [HoconLiteral only])
        {
            return only.Value;
        }

        var parts = Values.ConvertAll(element => element.GetString());
        return parts.TrueForAll(part => part is null) ? null : string.Concat(parts).Trim();
    }

    public bool GetBoolean() => GetString() switch
    {
        "on" or "true" => true,
        "off" or "false" => false,
        var text => throw new NotSupportedException($"Unknown boolean format: '{text}'; expected on, off, true or false."),
    };

    public int GetInt() => int.Parse(GetString()!, NumberFormatInfo.InvariantInfo);

    public long GetLong() => long.Parse(GetString()!, NumberFormatInfo.InvariantInfo);

    public byte GetByte() => byte.Parse(GetString()!, NumberFormatInfo.InvariantInfo);

    public float GetFloat() => float.Parse(GetString()!, NumberFormatInfo.InvariantInfo);

    public double GetDouble() => double.Parse(GetString()!, NumberFormatInfo.InvariantInfo);

    public decimal GetDecimal() => decimal.Parse(GetString()!, NumberFormatInfo.InvariantInfo);

    /// <summary>A duration. A bare number is milliseconds; <c>infinite</c> is
    /// <see cref="Timeout.InfiniteTimeSpan"/>.</summary>
    public TimeSpan GetTimeSpan(bool allowInfinite = true) => HoconUnits.ParseDuration(GetString(), allowInfinite);

    /// <summary>A size in bytes, or null for <c>null</c>.</summary>
    public long? GetByteSize() => GetString() is { } text ? HoconUnits.ParseByteSize(text) : null;

    public IList<HoconValue> GetArray()
    {
        var result = new List<HoconValue>();
        foreach (var element in Values)
        {
            if (element.IsArray())
            {
                result.AddRange(element.GetArray());
            }
        }

        return result;
    }

    public IList<string> GetStringList() => [.. GetArray().Select(value => value.GetString()!)];

    public IList<bool> GetBooleanList() => [.. GetArray().Select(value => value.GetBoolean())];

    public IList<int> GetIntList() => [.. GetArray().Select(value => value.GetInt())];

    public IList<long> GetLongList() => [.. GetArray().Select(value => value.GetLong())];

    public IList<byte> GetByteList() => [.. GetArray().Select(value => value.GetByte())];

    public IList<float> GetFloatList() => [.. GetArray().Select(value => value.GetFloat())];

    public IList<double> GetDoubleList() => [.. GetArray().Select(value => value.GetDouble())];

    public IList<decimal> GetDecimalList() => [.. GetArray().Select(value => value.GetDecimal())];

    public override string ToString() => ToString(0);

    /// <summary>The value as HOCON, nested objects indented by two blanks a level.</summary>
    public virtual string ToString(int indent)
    {
        if (GetObject() is { } child)
        {
            return $"{{\n{child.ToString(indent + 1)}{new string(' ', indent * 2)}}}";
        }

        if (IsArray())
        {
            return $"[{string.Join(",", GetArray().Select(value => value.ToString(indent + 1)))}]";
        }

        return Values.Count == 0 ? "<<unknown value>>" : HoconText.QuoteValue(GetString());
    }
}
