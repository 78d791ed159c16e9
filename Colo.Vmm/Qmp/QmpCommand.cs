namespace Colo.Vmm.Qmp;

/// <summary>A command's arguments, by name; empty when there were none.</summary>
public delegate QmpReply QmpCommandHandler(System.Text.Json.JsonElement arguments);

/// <summary>
/// One command of the table. <c>Arguments</c> are all names that it accepts; anything else is refused before the
/// handler runs, or by the handler itself when it is <c>null</c>, because what is accepted depends on a type.
/// <c>OutOfBand</c>: may be sent with exec-oob, so it must not block.
/// </summary>
public sealed record QmpCommand(string Name, QmpCommandHandler Handler)
{
    public IReadOnlyList<string>? Arguments { get; init; } = [];

    public bool OutOfBand { get; init; }
}
