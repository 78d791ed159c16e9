using Colo.Vmm.Block;
using Colo.Vmm.Block.Nbd;
using Colo.Vmm.Machine;

namespace Colo.Host.Cli;

/// <summary><c>--disk file=PATH[,format=raw][,readonly][,serial=TEXT]</c> or <c>--disk
/// nbd=URI[,readonly]</c>.</summary>
internal sealed record DiskOption(string? File, string? Nbd, bool ReadOnly, string Serial)
{
    private const int SerialLengthMax = 20;

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
                "serial" => throw new CommandLineException($"--disk serial={value}: expected at most {SerialLengthMax} ASCII characters"),
                _ => throw new CommandLineException(
                    $"--disk '{text}': setting '{name}' is not known or lacks its value, expected file=PATH or nbd=URI, "
                    + "format=raw, readonly, serial="),
            };
        }

        return (disk.File is null) == (disk.Nbd is null)
            ? throw new CommandLineException($"--disk '{text}': expected file=PATH or nbd=URI")
            : disk;
    }

    public DiskOptions Open(int index)
    {
        string serial = Serial.Length > 0 ? Serial : $"disk{index}";
        try
        {
            IBlockDevice device = Nbd is not null ? NbdClient.Open(Nbd) : new RawFileDevice(File!, ReadOnly);
            return new DiskOptions(device, serial) { ReadOnly = ReadOnly };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new CommandLineException(Nbd is not null ? $"--disk nbd={Nbd}: {e.Message}" : $"--disk file={File}: {e.Message}");
        }
    }
}
