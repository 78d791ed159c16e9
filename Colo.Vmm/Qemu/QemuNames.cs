using System.Globalization;

namespace Colo.Vmm.Qemu;

/// <summary>
/// The names of nodes, devices and objects inside a QEMU. Those of the guest's own disks and cards are the same in both
/// roles, because a secondary becomes a primary without a restart.
/// </summary>
public static class QemuNames
{
    /// <summary>The quorum that the guest's disk stands on.</summary>
    public static string Disk(int disk) => Numbered("colo-disk", disk);

    /// <summary>The image itself.</summary>
    public static string Image(int disk) => Numbered("parent", disk);

    public static string Hidden(int disk) => Numbered("hidden", disk);

    public static string Active(int disk) => Numbered("active", disk);

    /// <summary>The secondary's replication node.</summary>
    public static string Replica(int disk) => Numbered("childs", disk);

    /// <summary>NBD export of the secondary's image.</summary>
    public static string Export(int disk) => Numbered("disk", disk);

    /// <summary>The primary's NBD client; a new name for each attempt, because the old node may not be gone
    /// yet.</summary>
    public static string Remote(int disk, int attempt) => string.Create(CultureInfo.InvariantCulture, $"nbd{disk}-{attempt}");

    /// <summary>Whether the node is one of <see cref="Remote"/>, of whichever attempt.</summary>
    public static bool IsRemote(int disk, string node) =>
        node.StartsWith(string.Create(CultureInfo.InvariantCulture, $"nbd{disk}-"), StringComparison.Ordinal);

    /// <summary>What a copy writes to: the peer's image, and beside it nothing.</summary>
    public static string CopyTarget(int disk, int attempt) =>
        string.Create(CultureInfo.InvariantCulture, $"copy{disk}-{attempt}");

    /// <summary>Whether the node is one of <see cref="CopyTarget"/>, of whichever attempt.</summary>
    public static bool IsCopyTarget(int disk, string node) =>
        node.StartsWith(string.Create(CultureInfo.InvariantCulture, $"copy{disk}-"), StringComparison.Ordinal);

    public static string CopyJob(int disk) => Numbered("resync", disk);

    /// <summary>Bitmap of what the guest wrote since the peer's disk was last equal.</summary>
    public const string GapBitmap = "colo-gap";

    /// <summary>Bitmap of what the guest wrote since a round of a copy began; rounds take turns.</summary>
    public static string RoundBitmap(int round) => Numbered("colo-round", round % 2);

    public static string Netdev(int nic) => Numbered("hn", nic);

    public static string Rewriter(int nic) => Numbered("rew", nic);

    public static string Mirror(int nic) => Numbered("mirror", nic);

    public static string CompareInput(int nic) => Numbered("compare", nic);

    /// <summary>Socket for the frames of the primary's guest.</summary>
    public static string FromGuest(int nic) => Numbered("own", nic);

    /// <summary>Socket for the frames that a comparer lets go.</summary>
    public static string ToLan(int nic) => Numbered("free", nic);

    private static string Numbered(string name, int number) => string.Create(CultureInfo.InvariantCulture, $"{name}{number}");
}
