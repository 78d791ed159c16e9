namespace Colo.Vmm.Qemu;

/// <summary>
/// What a version of QEMU can do and needs to be told, as far as COLO is concerned. Before 3.1 its parts did not fit
/// together; 6.0 brought yank, without which a hanging peer link cannot be cut.
/// </summary>
public sealed record QemuCapabilities(QemuVersion Version)
{
    /// <summary>The oldest version that Colo drives.</summary>
    public static readonly QemuVersion Oldest = new(6, 0, 0);

    public bool IsSupported => Version >= Oldest;

    /// <summary>From the 11.0 line the secondary answers on migration's return path, which must be switched on with
    /// x-colo on both sides.</summary>
    public bool NeedsReturnPath => Version >= new QemuVersion(11, 0, 0);

    /// <summary>Before the 11.0 line pages of multifd passed the secondary's RAM cache by.</summary>
    public bool CanUseMultifd => Version >= new QemuVersion(11, 0, 0);

    /// <summary>
    /// Before the 11.0 line the primary's checkpoint thread synchronises dirty pages without the lock that TCG's
    /// listener needs: it hangs.
    /// </summary>
    public bool CanReplicateUnderTcg => Version >= new QemuVersion(11, 0, 0);

    /// <summary>The name of a socket character device's reconnect option.</summary>
    public string ReconnectOption => Version >= new QemuVersion(9, 2, 0) ? "reconnect-ms" : "reconnect";

    /// <summary>The migration capabilities for one side of a pair.</summary>
    public IReadOnlyList<string> MigrationCapabilities =>
        NeedsReturnPath ? ["x-colo", "events", "return-path"] : ["x-colo", "events"];
}
