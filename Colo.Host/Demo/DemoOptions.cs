namespace Colo.Host.Demo;

/// <summary>What a demo shows.</summary>
/// <param name="Mode">colo, periodic or auto.</param>
/// <param name="Fault">kill, cable, freeze or power.</param>
/// <param name="Workload">http or redis.</param>
/// <param name="JsonPath">Where the report goes as JSON, or null.</param>
/// <param name="KeepFolder">Folder for logs that stays, or null.</param>
public sealed record DemoOptions(string Mode, string Fault, string Workload, string? JsonPath, string? KeepFolder);
