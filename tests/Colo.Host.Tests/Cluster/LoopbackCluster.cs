using System.Globalization;

namespace Colo.Host.Tests.Cluster;

/// <summary>
/// Hosts and a witness on loopback addresses that no other test uses, each with a state directory of its own.
/// </summary>
internal sealed class LoopbackCluster : IAsyncDisposable
{
    /// <summary>For clusters whose nodes are started again and again: a question that was asked before there were links
    /// both ways is asked again sooner.</summary>
    public const string AsksOften = "arbiter { timeout = 1s }";

    private static int count;

    private readonly string folder = Directory.CreateTempSubdirectory("colo-cluster-").FullName;
    private readonly int number = Interlocked.Increment(ref count);

    /// <param name="hosts">Names of the hosts; a node named witness is added.</param>
    /// <param name="vms">Lines of colo.vms for the hosts.</param>
    /// <param name="extra">More lines of colo for the hosts.</param>
    /// <param name="kernel">A kernel that real machines can start; null: none.</param>
    public LoopbackCluster(
        IReadOnlyList<string> hosts, string vms = "", string extra = "", byte[]? kernel = null)
    {
        Kernel = Path.Combine(folder, "kernel");
        File.WriteAllBytes(Kernel, kernel ?? "no kernel"u8.ToArray());
        vms = vms.Replace("KERNEL", Kernel, StringComparison.Ordinal);
        string[] all = [.. hosts, "witness"];
        for (int index = 0; index < all.Length; index++)
        {
            string name = all[index];
            bool witness = name == "witness";
            File.WriteAllText(Path.Combine(folder, name + ".conf"), $$"""
                colo {
                  node {
                    name = {{name}}
                    witness = {{(witness ? "on" : "off")}}
                    listen = ["{{Address(index)}}:7450"]
                    state-directory = "{{Path.Combine(folder, name)}}"
                  }
                  peers {
                    {{string.Join("\n    ", all.Select((peer, other) => $"{peer} = [\"{Address(other)}:7450\"]").Where((_, other) => other != index))}}
                  }
                  management { port = 0 }
                  heartbeat { lost-after = 30s, pause-accepted = 20s }
                  arbiter { witness { node = witness } }
                  {{(witness ? string.Empty : extra)}}
                  vms {
                    {{(witness ? string.Empty : vms.Replace("STATE", StateOf(name), StringComparison.Ordinal))}}
                  }
                }
                """);
        }

        Nodes = [.. all.Select(name => new LoopbackNode(name, Path.Combine(folder, name + ".conf")))];
    }

    /// <summary>A file that stands for a kernel in definitions.</summary>
    public string Kernel { get; }

    public IReadOnlyList<LoopbackNode> Nodes { get; }

    public LoopbackNode this[string name] => Nodes.Single(node => node.Name == name);

    public string StateOf(string node) => Path.Combine(folder, node);

    public async Task StartAsync()
    {
        foreach (LoopbackNode node in Nodes.Reverse())
        {
            await node.StartAsync();
        }
    }

    /// <summary>A VM of the nodes' files.</summary>
    public static string Vm(string name, params string[] nodes) =>
        $"{name} {{ kernel = \"KERNEL\", memory = 16MiB, nodes = [{string.Join(", ", nodes)}] }}\n";

    public async ValueTask DisposeAsync()
    {
        foreach (LoopbackNode node in Nodes)
        {
            await node.DisposeAsync();
        }

        Directory.Delete(folder, recursive: true);
    }

    /// <summary>14 bits of the process, 7 of the cluster, 3 of the node.</summary>
    private string Address(int index)
    {
        int own = (Environment.ProcessId & 0x3fff) << 10 | (number & 0x7f) << 3 | (index + 1);
        return string.Create(CultureInfo.InvariantCulture, $"127.{own >> 16}.{own >> 8 & 255}.{own & 255}");
    }
}
