using System.Text.Json;

namespace Colo.Vmm.Qmp.Replication;

/// <summary>Reads members of a command's arguments; a member of another type counts as missing.</summary>
internal static class QmpArgument
{
    public static bool TryText(JsonElement from, string name, out string value)
    {
        bool found = TryMember(from, name, JsonValueKind.String, out JsonElement member);
        value = found ? member.GetString()! : "";
        return found;
    }

    public static bool TryBool(JsonElement from, string name, out bool value)
    {
        bool isTrue = TryMember(from, name, JsonValueKind.True, out _);
        value = isTrue;
        return isTrue || TryMember(from, name, JsonValueKind.False, out _);
    }

    public static bool TryNumber(JsonElement from, string name, out long value)
    {
        value = 0;
        return TryMember(from, name, JsonValueKind.Number, out JsonElement member) && member.TryGetInt64(out value);
    }

    public static bool TryArray(JsonElement from, string name, out JsonElement value) =>
        TryMember(from, name, JsonValueKind.Array, out value);

    public static bool TryObject(JsonElement from, string name, out JsonElement value) =>
        TryMember(from, name, JsonValueKind.Object, out value);

    public static QmpReply Missing(string name) => QmpReply.Error($"Parameter '{name}' is missing");

    private static bool TryMember(JsonElement from, string name, JsonValueKind kind, out JsonElement value)
    {
        value = default;
        return from.ValueKind == JsonValueKind.Object && from.TryGetProperty(name, out value)
            && value.ValueKind == kind;
    }
}
