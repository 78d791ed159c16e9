using System.Globalization;

namespace Colo.Host.Demo;

/// <summary>The VM of a <see cref="LabCluster"/>, named web, and what may run beside it.</summary>
public sealed record LabVm
{
    public const string Name = "web";

    /// <summary>debian or debian-redis.</summary>
    public string Guest { get; init; } = "debian";

    /// <summary>colo, periodic or auto.</summary>
    public string Mode { get; init; } = "colo";

    /// <summary>Checkpoints of mode periodic.</summary>
    public TimeSpan Period { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>More of the kernel's command line.</summary>
    public string Append { get; init; } = string.Empty;

    /// <summary>Connections that carry a checkpoint's pages.</summary>
    public int Channels { get; init; } = 1;

    /// <summary>Size of one disk, each host with an image of its own unless it is shared; 0: no disk.</summary>
    public long DiskBytes { get; init; }

    /// <summary>Whether both hosts open one image.</summary>
    public bool SharedDisk { get; init; }

    /// <summary>Whether the disk of the first host has an ext4 file system, which the guest mounts.</summary>
    public bool FileSystem { get; init; }

    /// <summary>How long a host may be silent before it is lost; null: as nodes do by default. Where the detector is
    /// not what is tested, a busy machine must not make pairs break by themselves.</summary>
    public TimeSpan? LostAfter { get; init; }

    /// <summary>Whether the hosts watch their way to the clients.</summary>
    public bool Gateway { get; init; }

    /// <summary>How the hosts ask the guest whether it answers: arp or icmp; empty: not at all.</summary>
    public string Check { get; init; } = string.Empty;

    /// <summary>Whether the hosts take faults on order.</summary>
    public bool Drills { get; init; }

    /// <summary>Whether the first host has the same guest a second time, not protected by anything: named alone, at
    /// <see cref="NetworkLab.AloneAddress"/>.</summary>
    public bool HasPeer { get; init; }

    /// <summary>The image of the disk on a host.</summary>
    public string DiskPath(string folder, string host) => Path.Combine(folder, (SharedDisk ? "shared" : host) + ".img");

    internal string Render(string folder, string host, IReadOnlyList<string> hosts)
    {
        if (DiskBytes > 0 && !File.Exists(DiskPath(folder, host)))
        {
            using FileStream image = File.Create(DiskPath(folder, host));
            image.SetLength(DiskBytes);
            image.Close();
            if (FileSystem && host == hosts[0])
            {
                LabDisk.FormatAsync(DiskPath(folder, host)).GetAwaiter().GetResult();
            }
        }

        string disks = DiskBytes > 0
            ? $"disks = [{{ path = \"{DiskPath(folder, host)}\", mode = {(SharedDisk ? "shared" : "replicated")} }}]"
            : string.Empty;
        string mount = FileSystem ? "colo.mount=vda " : string.Empty;
        string check = Check.Length > 0
            ? $"check {{ address = \"{NetworkLab.GuestAddress}\", by = {Check}, interval = 200ms, misses = 3 }}"
            : string.Empty;
        string gateway = Gateway ? $"heartbeat.gateway.address = \"{NetworkLab.ClientAddress}\"" : string.Empty;
        string patience = LostAfter is { } lost
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"heartbeat {{ lost-after = {lost.TotalMilliseconds}ms, pause-accepted = {lost.TotalMilliseconds * 0.8}ms }}")
            : string.Empty;
        string peer = HasPeer && host == hosts[0] ? RenderPeer(host) : string.Empty;
        string drills = Drills ? "drills { allowed = on }" : string.Empty;
        return string.Create(CultureInfo.InvariantCulture, $$"""
            {{gateway}}
            {{patience}}
            {{drills}}
            vms {
              {{Name}} {
                guest = {{Guest}}
                append = "console=ttyS0 quiet colo.ip={{NetworkLab.GuestAddress}}/24 {{mount}}{{Append}}"
                nodes = [{{string.Join(", ", hosts)}}]
                nics = [{ bridge = br0 }]
                {{disks}}
                {{check}}
                mode = {{Mode}}
                checkpoint { periodic = {{(int)Period.TotalMilliseconds}}ms, channels = {{Channels}} }
              }
              {{peer}}
            }
            """);
    }

    private string RenderPeer(string host) => $$"""
        alone {
          guest = {{Guest}}
          append = "console=ttyS0 quiet colo.ip={{NetworkLab.AloneAddress}}/24 {{Append}}"
          nodes = [{{host}}]
          nics = [{ bridge = br0 }]
        }
        """;
}
