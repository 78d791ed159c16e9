using System.Text.Json.Nodes;

namespace Colo.Vmm.Qemu;

/// <summary>Steps that several plans are made of.</summary>
internal static class QemuSteps
{
    /// <summary>An object, which goes again when a later step fails.</summary>
    public static QemuStep Created(JsonObject arguments) =>
        new("object-add", arguments) { Undo = [DeleteObject(arguments["id"]!.GetValue<string>()) with { Optional = false }] };

    public static QemuStep DeleteObject(string id) => new("object-del", new JsonObject { ["id"] = id }) { Optional = true };

    public static QemuStep RemoveChannel(string id) => new("chardev-remove", new JsonObject { ["id"] = id }) { Optional = true };

    /// <summary>A character device on a unix socket.</summary>
    public static QemuStep Channel(string id, string path, bool server)
    {
        var data = new JsonObject
        {
            ["addr"] = LegacyUnix(path),
            ["server"] = server,
        };
        if (server)
        {
            data["wait"] = false;
        }

        return new QemuStep("chardev-add", new JsonObject
        {
            ["id"] = id,
            ["backend"] = new JsonObject { ["type"] = "socket", ["data"] = data },
        })
        { Undo = [RemoveChannel(id) with { Optional = false }] };
    }

    public static JsonObject LegacyUnix(string path) => new()
    {
        ["type"] = "unix",
        ["data"] = new JsonObject { ["path"] = path },
    };
}
