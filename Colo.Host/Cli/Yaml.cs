using System.Text;
using System.Text.Json;

namespace Colo.Host.Cli;

/// <summary>
/// JSON as YAML 1.2, in blocks. Every text is quoted as in JSON, which YAML reads the same, so that nothing turns into
/// a number or a boolean.
/// </summary>
internal static class Yaml
{
    public static string Of(JsonElement element)
    {
        var text = new StringBuilder();
        Write(text, element, 0, afterKey: false);
        return text.ToString();
    }

    private static void Write(StringBuilder text, JsonElement element, int depth, bool afterKey)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object when element.EnumerateObject().Any():
                bool first = !afterKey;
                foreach (JsonProperty property in element.EnumerateObject())
                {
                    Begin(text, depth, ref first);
                    text.Append(JsonSerializer.Serialize(property.Name)).Append(':');
                    Write(text, property.Value, depth + 1, afterKey: true);
                }

                break;
            case JsonValueKind.Array when element.GetArrayLength() > 0:
                bool firstItem = !afterKey;
                foreach (JsonElement item in element.EnumerateArray())
                {
                    Begin(text, depth, ref firstItem);
                    text.Append("- ");
                    Write(text, item, depth + 1, afterKey: false);
                }

                break;
            default:
                text.Append(afterKey ? " " : string.Empty).Append(element.GetRawText()).Append('\n');
                break;
        }
    }

    /// <summary>
    /// The first entry of an item of a list stands behind its dash, every other on a line of its own.
    /// </summary>
    private static void Begin(StringBuilder text, int depth, ref bool behindDash)
    {
        if (!behindDash && text.Length > 0 && text[^1] != '\n')
        {
            text.Append('\n');
        }

        text.Append(' ', behindDash ? 0 : depth * 2);
        behindDash = false;
    }
}
