using System.Globalization;

namespace Colo.Vmm.Qemu;

/// <summary>The files and sockets of one QEMU on this host, all in one directory.</summary>
public sealed record QemuFolder(string Path)
{
    /// <summary>A unix socket's path has at most 107 bytes; the longest name below takes 17 of them.</summary>
    public const int PathLengthMax = 107 - 18;

    public string Monitor => At("qmp.sock");

    public string Console => At("console.sock");

    /// <summary>What the guest has printed, over all lives of this QEMU.</summary>
    public string ConsoleLog => At("console.log");

    /// <summary>QEMU's own complaints.</summary>
    public string Log => At("qemu.log");

    /// <summary>Process and role of the running QEMU, for a node that starts again.</summary>
    public string State => At("state.json");

    /// <summary>Secondary: where its NBD server listens.</summary>
    public string NbdServer => At("nbd.sock");

    /// <summary>Secondary: where the migration comes in.</summary>
    public string Incoming => At("incoming.sock");

    /// <summary>Primary: what stands for the peer's incoming migration on this host.</summary>
    public string MigrationRelay(int attempt) => At("mig", attempt);

    /// <summary>Primary: what stands for the peer's NBD server on this host, one socket a disk.</summary>
    public string NbdRelay(int disk, int attempt) => At(string.Create(CultureInfo.InvariantCulture, $"nbd{disk}-{attempt}.sock"));

    /// <summary>Socket of a character device that this QEMU listens on.</summary>
    public string Channel(string id) => At(id + ".sock");

    /// <summary>Secondary: old content of what the primary overwrote since the last checkpoint.</summary>
    public string HiddenDisk(int disk) => At(string.Create(CultureInfo.InvariantCulture, $"hidden{disk}.qcow2"));

    /// <summary>Secondary: what its own guest wrote since the last checkpoint.</summary>
    public string ActiveDisk(int disk) => At(string.Create(CultureInfo.InvariantCulture, $"active{disk}.qcow2"));

    private string At(string name) => System.IO.Path.Combine(Path, name);

    private string At(string name, int number) => At(string.Create(CultureInfo.InvariantCulture, $"{name}{number}.sock"));
}
