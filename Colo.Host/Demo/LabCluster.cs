using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using Colo.Vmm.Links;

namespace Colo.Host.Demo;

/// <summary>Two hosts and a witness in a <see cref="NetworkLab"/>, with certificates, configurations and one VM named web.</summary>
public sealed class LabCluster : IDisposable
{
    private const int DataPort = 7450;
    private readonly NetworkLab lab;
    private readonly string folder;
    private readonly Action<PrintedEvent> happened;

    /// <param name="folder">Takes certificates, configurations, logs and state.</param>
    /// <param name="mode">colo, periodic or auto.</param>
    /// <param name="guest">debian or debian-redis.</param>
    /// <param name="extra">More HOCON for the VM.</param>
    /// <param name="happened">Told of every event of every node.</param>
    public LabCluster(string folder, string mode, string guest, string extra, Action<PrintedEvent> happened)
    {
        this.folder = folder;
        this.happened = happened;
        lab = NetworkLab.Create("node-a", "node-b");
        X509Certificate2 authority = ClusterCertificates.CreateAuthority("colo lab", DateTimeOffset.UtcNow);
        File.WriteAllText(Path.Combine(folder, "ca.pem"), authority.ExportCertificatePem());
        Witness = Prepare(authority, NetworkLab.Witness, string.Empty);
        string vm = string.Create(CultureInfo.InvariantCulture, $$"""
            vms {
              web {
                guest = {{guest}}
                append = "console=ttyS0 quiet colo.ip={{NetworkLab.GuestAddress}}/24"
                nodes = [node-a, node-b]
                nics = [{ bridge = br0 }]
                mode = {{mode}}
                {{extra}}
              }
            }
            """);
        Hosts = [Prepare(authority, "node-a", vm), Prepare(authority, "node-b", vm)];
    }

    public NodeProcess Witness { get; }

    public IReadOnlyList<NodeProcess> Hosts { get; }

    public NodeProcess Other(NodeProcess host) => Hosts[0] == host ? Hosts[1] : Hosts[0];

    public void Start()
    {
        Witness.Start();
        foreach (NodeProcess host in Hosts)
        {
            host.Start();
        }
    }

    public void Dispose()
    {
        foreach (NodeProcess host in Hosts)
        {
            host.Dispose();
        }

        Witness.Dispose();
    }

    private NodeProcess Prepare(X509Certificate2 authority, string name, string vm)
    {
        using X509Certificate2 own = ClusterCertificates.CreateNode(authority, name, [], DateTimeOffset.UtcNow);
        string Path(string file) => System.IO.Path.Combine(folder, file);
        File.WriteAllText(Path(name + ".pem"), own.ExportCertificatePem());
        using (System.Security.Cryptography.ECDsa key = own.GetECDsaPrivateKey()!)
        {
            File.WriteAllText(Path(name + ".key"), key.ExportPkcs8PrivateKeyPem());
        }

        bool isWitness = name == NetworkLab.Witness;
        var peers = new List<string>();
        foreach (string other in lab.Hosts.Where(host => host != name))
        {
            peers.Add($"{other} = [{string.Join(", ", Networks(other, toWitness: isWitness).Select(address => $"\"{address}\""))}]");
        }

        if (!isWitness)
        {
            peers.Add($"witness = [\"{NetworkLab.WitnessAddress}:{DataPort}\"]");
        }

        string listen = isWitness
            ? $"\"{NetworkLab.WitnessAddress}:{DataPort}\""
            : string.Join(", ", Networks(name, toWitness: false).Select(address => $"\"{address}\""));
        File.WriteAllText(Path(name + ".conf"), $$"""
            colo {
              node {
                name = {{name}}
                witness = {{(isWitness ? "on" : "off")}}
                listen = [{{listen}}]
                state-directory = "{{Path(name + ".state")}}"
                tls {
                  certificate = "{{Path(name + ".pem")}}"
                  key = "{{Path(name + ".key")}}"
                  authority = "{{Path("ca.pem")}}"
                }
              }
              peers {
                {{string.Join("\n    ", peers)}}
              }
              arbiter { witness { node = witness } }
              {{vm}}
            }
            """);
        return new NodeProcess(name, Path(name + ".conf"), Path(name + ".log"), happened);
    }

    private IEnumerable<string> Networks(string host, bool toWitness)
    {
        if (!toWitness)
        {
            yield return $"{lab.ReplicationAddress(host)}:{DataPort}";
        }

        yield return $"{lab.ManagementAddress(host)}:{DataPort}";
    }
}
