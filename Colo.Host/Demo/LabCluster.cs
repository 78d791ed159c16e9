using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using Colo.Actors.Protocol;
using Colo.Vmm.Links;

namespace Colo.Host.Demo;

/// <summary>Two hosts and a witness in a <see cref="NetworkLab"/>, with certificates, configurations and one VM named
/// web.</summary>
public sealed partial class LabCluster : IDisposable
{
    /// <summary>What a pair that is left alone does not do.</summary>
    internal static readonly EventCode[] Broken =
    [
        EventCode.FailoverStarted, EventCode.PeerLost, EventCode.Evicted, EventCode.SwitchoverCancelled,
        EventCode.TookOver, EventCode.WentSolo,
    ];

    private const int DataPort = 7450;
    private readonly NetworkLab lab;
    private readonly string folder;
    private readonly Action<PrintedEvent> happened;

    /// <param name="lab">The network, with two hosts.</param>
    /// <param name="folder">Takes certificates, configurations, logs and state.</param>
    /// <param name="vm">The VM.</param>
    /// <param name="happened">Told of every event of every node.</param>
    public LabCluster(NetworkLab lab, string folder, LabVm vm, Action<PrintedEvent> happened)
    {
        this.lab = lab;
        this.folder = folder;
        this.happened = happened;
        X509Certificate2 authority = ClusterCertificates.CreateAuthority("colo lab", DateTimeOffset.UtcNow);
        File.WriteAllText(Path.Combine(folder, "ca.pem"), authority.ExportCertificatePem());
        Witness = Prepare(authority, NetworkLab.Witness, string.Empty);
        Hosts = [.. lab.Hosts.Select(host => Prepare(authority, host, vm.Render(folder, host, lab.Hosts)))];
    }

    public NodeProcess Witness { get; }

    public IReadOnlyList<NodeProcess> Hosts { get; }

    public NodeProcess Other(NodeProcess host) => Hosts[0] == host ? Hosts[1] : Hosts[0];

    /// <summary>The primary of the newest pair, null before the first. On a machine that is busy with other things
    /// hosts may change roles by themselves.</summary>
    public NodeProcess? FindPrimary()
    {
        Match? newest = Hosts.SelectMany(host => host.Events)
            .Where(printed => (EventCode)printed.Code is EventCode.PairEstablished or EventCode.SwitchoverDone)
            .Select(printed => PairRecord().Match(printed.Summary))
            .Where(match => match.Success)
            .MaxBy(match => long.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture));
        return Hosts.FirstOrDefault(host => host.Name == newest?.Groups[2].Value);
    }

    /// <summary>The same, if by what it says nothing has broken that pair since; else null.</summary>
    public NodeProcess? FindPairedPrimary()
    {
        NodeProcess? primary = FindPrimary();
        PrintedEvent? last = primary?.Events.LastOrDefault(
            printed => Broken.Contains((EventCode)printed.Code)
            || (EventCode)printed.Code is EventCode.PairEstablished or EventCode.SwitchoverDone);
        // A switchover that is given up leaves the pair as it was.
        return last is null || (Broken.Contains((EventCode)last.Code) && last.Code != (int)EventCode.SwitchoverCancelled)
            ? null : primary;
    }

    /// <summary>Runs <c>colo</c> with these arguments on a host, as its operator would.</summary>
    /// <returns>What it printed.</returns>
    /// <exception cref="InvalidOperationException">It failed; the message holds what it printed.</exception>
    public static async Task<string> CommandAsync(NodeProcess host, params string[] arguments)
    {
        (int code, string output) = await RunAsync(host.Name, Environment.ProcessPath!, arguments).ConfigureAwait(false);
        return code == 0 ? output : throw new InvalidOperationException(
            $"{host.Name}: colo {string.Join(' ', arguments)} ended with {code}: {output.Trim()}");
    }

    /// <summary>Runs a program in a place of the lab to its end.</summary>
    public static async Task<(int Code, string Output)> RunAsync(string place, string program, params string[] arguments)
    {
        ProcessStartInfo start = NetworkLab.Inside(place, program, arguments);
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        using Process process = Process.Start(start) ?? throw new InvalidOperationException($"{program} could not be started");
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync().ConfigureAwait(false);
        await process.WaitForExitAsync().ConfigureAwait(false);
        return (process.ExitCode, output + await errors.ConfigureAwait(false));
    }

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

    [GeneratedRegex(@"^t(\d+) pair (\S+)#\d+>")]
    private static partial Regex PairRecord();

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
