using System.Text.Json;

namespace Colo.Vmm.Qemu;

/// <summary>An event that QEMU sent.</summary>
/// <param name="Name">For example STOP, RESUME, COLO_EXIT, MIGRATION.</param>
/// <param name="Data">The event's data, or an undefined element.</param>
/// <param name="Timestamp">QEMU's own clock.</param>
public sealed record QmpEvent(string Name, JsonElement Data, DateTimeOffset Timestamp)
{
    /// <summary>A string member of <see cref="Data"/>, or null.</summary>
    public string? Text(string member) =>
        Data.ValueKind == JsonValueKind.Object && Data.TryGetProperty(member, out JsonElement value)
            && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;

    /// <summary>A whole number of <see cref="Data"/>, or 0.</summary>
    public long Number(string member) =>
        Data.ValueKind == JsonValueKind.Object && Data.TryGetProperty(member, out JsonElement value)
            && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number)
            ? number
            : 0;
}
