using Colo.Vmm.Block;
using Colo.Vmm.Block.Nbd;
using Colo.Vmm.Machine;
using Colo.Vmm.Qmp.Parts;

namespace Colo.Host.Cli;

/// <summary>
/// <c>--disk file=PATH[,format=raw][,readonly][,serial=TEXT]</c> or <c>--disk nbd=URI[,readonly]</c>, both with
/// <c>[,id=DISK][,node=NODE]</c> for the monitor, and a secondary's
/// <c>--disk file=PATH,replication=secondary,buffer=PATH[,buffer-memory=SIZE]</c>.
/// </summary>
internal sealed record DiskOption(string? File, string? Nbd, bool ReadOnly, string Serial)
{
    public string? Id { get; init; }

    public string? Node { get; init; }

    public bool IsSecondary { get; init; }

    public string? Buffer { get; init; }

    public long? BufferMemory { get; init; }

    private const int SerialLengthMax = 20;

    /// <summary>A server that was started together with the machine may not listen yet.</summary>
    private static readonly NbdClientOptions s_patient = new()
    {
        OpenTimeout = TimeSpan.FromSeconds(5),
        RetryInterval = TimeSpan.FromMilliseconds(100),
    };

    public static DiskOption Parse(string text)
    {
        var disk = new DiskOption(null, null, false, "");
        foreach ((string name, string value) in OptionText.Settings(text))
        {
            disk = name switch
            {
                "file" when value.Length > 0 => disk with { File = value },
                "nbd" when value.Length > 0 => disk with { Nbd = value },
                "format" when value == "raw" => disk,
                "format" => throw new CommandLineException($"--disk format={value}: expected raw"),
                "readonly" when value.Length == 0 => disk with { ReadOnly = true },
                "serial" when value.Length <= SerialLengthMax && value.All(char.IsAscii) => disk with { Serial = value },
                "serial" => throw new CommandLineException(
                    $"--disk serial={value}: expected at most {SerialLengthMax} ASCII characters"),
                "id" when value.Length > 0 => disk with { Id = value },
                "node" when value.Length > 0 => disk with { Node = value },
                "replication" when value == "secondary" => disk with { IsSecondary = true },
                "replication" => throw new CommandLineException($"--disk replication={value}: expected secondary"),
                "buffer" when value.Length > 0 => disk with { Buffer = value },
                "buffer-memory" => disk with { BufferMemory = ParseMemory(value) },
                _ => throw new CommandLineException(
                    $"--disk '{text}': setting '{name}' is not known or lacks its value, expected file=PATH or nbd=URI, "
                    + "format=raw, readonly, serial=, id=, node=, replication=secondary, buffer=, buffer-memory="),
            };
        }

        if (disk.IsSecondary != (disk.Buffer is not null) || (disk.IsSecondary && (disk.File is null || disk.ReadOnly)))
        {
            throw new CommandLineException(
                $"--disk '{text}': a secondary's disk needs file=PATH, replication=secondary and buffer=PATH");
        }

        return (disk.File is null) == (disk.Nbd is null)
            ? throw new CommandLineException($"--disk '{text}': expected file=PATH or nbd=URI")
            : disk;
    }

    public DiskOptions Open(int index, MachineParts? parts)
    {
        string serial = Serial.Length > 0 ? Serial : $"disk{index}";
        if (parts is null && (IsSecondary || Id is not null || Node is not null))
        {
            throw new CommandLineException(
                "--disk id=, node= and replication= are for the monitor: expected --qmp unix:PATH as well");
        }

        try
        {
            if (IsSecondary)
            {
                return new DiskOptions(parts!.AddSecondaryDisk(Id, Node, File!, Buffer!, BufferMemory), serial);
            }

            IBlockDevice device = Nbd is not null ? NbdClient.Open(Nbd, s_patient) : new RawFileDevice(File!, ReadOnly);
            device = parts?.AddDisk(Id, Node, device) ?? device;
            return new DiskOptions(device, serial) { ReadOnly = ReadOnly };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            string what = Nbd is not null ? $"nbd={Nbd}" : $"file={File}";
            throw new CommandLineException($"--disk {what}: {e.Message}");
        }
    }

    private static long ParseMemory(string value) => OptionText.ParseSize(value) is { } size && size <= long.MaxValue
        ? (long)size
        : throw new CommandLineException($"--disk buffer-memory={value}: expected a size such as 64M");
}
