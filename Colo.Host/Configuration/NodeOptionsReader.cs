using System.Net;
using Colo.Actors.Links;
using Colo.Actors.Protocol;
using Colo.Host.Node;

namespace Colo.Host.Configuration;

/// <summary>
/// Turns a loaded configuration into <see cref="NodeOptions"/>, or says everything that is wrong with it at once.
/// </summary>
public static class NodeOptionsReader
{
    private static readonly string[] HookNames =
        ["on-peer-lost", "on-takeover", "on-solo", "on-pair", "on-evicted", "on-guest-silent"];

    /// <summary>Null when there are errors.</summary>
    public static NodeOptions? Read(ConfigurationLoader loader, out IReadOnlyList<ConfigurationError> errors)
    {
        var keys = new KeyReader(loader);
        UnknownKeys.Report(loader, keys);
        NodeOptions? options = loader.Errors.Count == 0 ? Read(keys) : null;
        errors = [.. loader.Errors, .. keys.Errors];
        return errors.Count == 0 ? options : null;
    }

    private static NodeOptions Read(KeyReader keys)
    {
        string name = keys.Text("colo.node.name", required: true);
        bool witness = keys.Flag("colo.node.witness");
        IReadOnlyList<IPEndPoint> listen = keys.EndPoints("colo.node.listen", required: true);
        TlsOptions? tls = ReadTls(keys);
        if (tls is null && listen.Any(address => !IPAddress.IsLoopback(address.Address)))
        {
            keys.Wrong(
                "colo.node.listen",
                "is not loopback only, so colo.node.tls must name certificates (colo cert init makes them)");
        }

        List<PeerEndpoint> peers = ReadPeers(keys, name);
        var vms = new List<VmDefinition>();
        foreach (string vm in keys.Children("colo.vms"))
        {
            VmDefinition definition = VmDefinitionReader.Read(
                keys, vm, name, peers.Select(peer => peer.Host.Name).ToList());
            if (definition.Nodes.Contains(name)
                && DiskClash.Of(definition, vms.Where(other => other.Nodes.Contains(name))) is { } clash)
            {
                keys.Wrong($"colo.vms.{vm}.disks", $"is no list of its own: {clash}");
            }

            if (definition.Nodes.Contains(name)
                && BackendFactory.TapClash(definition, vms.Where(other => other.Nodes.Contains(name))) is { } shared)
            {
                keys.Wrong($"colo.vms.{vm}.nics", $"is no list of its own: {shared}");
            }

            vms.Add(definition);
        }

        return new NodeOptions
        {
            Name = name,
            StateDirectory = keys.Text("colo.node.state-directory", required: true),
            Listen = listen,
            IsWitness = witness,
            Tls = tls,
            Peers = peers,
            Management = ReadManagement(keys, tls),
            Heartbeat = ReadHeartbeat(keys),
            Arbiter = ReadArbiter(keys, peers, witness),
            Hooks = ReadHooks(keys),
            Vms = vms,
            FailureDomain = keys.Text("colo.node.failure-domain"),
            DrillsAllowed = keys.Flag("colo.drills.allowed"),
            StopLimit = keys.Duration("colo.node.stop-limit"),
        };
    }

    private static TlsOptions? ReadTls(KeyReader keys)
    {
        string certificate = keys.File("colo.node.tls.certificate");
        string key = keys.File("colo.node.tls.key");
        string authority = keys.File("colo.node.tls.authority");
        int given = (certificate.Length > 0 ? 1 : 0) + (key.Length > 0 ? 1 : 0) + (authority.Length > 0 ? 1 : 0);
        if (given is 1 or 2)
        {
            keys.Wrong("colo.node.tls", "needs certificate, key and authority together");
        }

        return given == 3 ? new TlsOptions(certificate, key, authority) : null;
    }

    /// <summary>Of one list that all nodes include, a node leaves itself out.</summary>
    private static List<PeerEndpoint> ReadPeers(KeyReader keys, string self)
    {
        var peers = new List<PeerEndpoint>();
        foreach (string peer in keys.Children("colo.peers"))
        {
            IReadOnlyList<IPEndPoint> networks = keys.EndPoints($"colo.peers.{peer}", required: true);
            if (peer != self)
            {
                peers.Add(new PeerEndpoint(new HostId(peer), networks));
            }
        }

        return peers;
    }

    private static ManagementOptions ReadManagement(KeyReader keys, TlsOptions? tls)
    {
        string host = keys.Text("colo.management.host", required: true);
        if (!IPAddress.TryParse(host, out IPAddress? address))
        {
            keys.Wrong("colo.management.host", $"is '{host}', expected an IP address");
            address = IPAddress.Loopback;
        }

        string token = keys.File("colo.management.token-file");
        if (token.Length > 0 && File.Exists(token) && TokenTrouble(token) is { } trouble)
        {
            keys.Wrong("colo.management.token-file", $"is '{token}', {trouble}");
        }

        if (!IPAddress.IsLoopback(address) && (token.Length == 0 || tls is null))
        {
            keys.Wrong(
                "colo.management.host",
                $"is {address}, not loopback: set colo.management.token-file and colo.node.tls");
        }

        return new ManagementOptions(address, (int)keys.Number("colo.management.port", 0, 65535), token);
    }

    /// <summary>Everybody has an empty token, and what no header can hold has nobody.</summary>
    private static string? TokenTrouble(string path)
    {
        try
        {
            string token = File.ReadAllText(path).Trim();
            return token.Length == 0 ? "which is empty"
                : token.Any(letter => letter is < ' ' or > '~') ? "expected one line of printable ASCII in it"
                : null;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return $"which cannot be read: {problem.Message}";
        }
    }

    private static HeartbeatSettings ReadHeartbeat(KeyReader keys)
    {
        var settings = new HeartbeatSettings(
            keys.Duration("colo.heartbeat.interval"),
            (int)keys.Number("colo.heartbeat.threshold", 1, 12),
            keys.Duration("colo.heartbeat.lost-after"),
            keys.Duration("colo.heartbeat.pause-accepted"))
        {
            Gateway = keys.Address("colo.heartbeat.gateway.address"),
            GatewayTimeout = keys.Duration("colo.heartbeat.gateway.timeout"),
        };
        foreach (string problem in settings.ToOptions().Validate())
        {
            keys.Wrong("colo.heartbeat", problem);
        }

        return settings;
    }

    private static ArbiterOptions ReadArbiter(KeyReader keys, List<PeerEndpoint> peers, bool isWitness)
    {
        ArbiterKind kind = keys.Choice<ArbiterKind>("colo.arbiter.kind");
        string directory = keys.Text("colo.arbiter.directory.path");
        string witness = keys.Text("colo.arbiter.witness.node");
        var endpoints = new List<Uri>();
        foreach (string text in keys.Texts("colo.arbiter.etcd.endpoints"))
        {
            if (Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) && uri.Scheme is "http" or "https")
            {
                endpoints.Add(uri);
            }
            else
            {
                keys.Wrong(
                    "colo.arbiter.etcd.endpoints", $"has '{text}', expected http://HOST:PORT or https://HOST:PORT");
            }
        }

        if (kind == ArbiterKind.Directory && directory.Length == 0)
        {
            keys.Wrong("colo.arbiter.directory.path", "is not set, but colo.arbiter.kind is directory");
        }

        if (kind == ArbiterKind.Etcd && endpoints.Count == 0)
        {
            keys.Wrong("colo.arbiter.etcd.endpoints", "is empty, but colo.arbiter.kind is etcd");
        }

        if (keys.Text("colo.arbiter.etcd.user").Length > 0 && keys.Text("colo.arbiter.etcd.password-file").Length == 0)
        {
            keys.Wrong("colo.arbiter.etcd.password-file", "is not set, but colo.arbiter.etcd.user is");
        }

        if (kind == ArbiterKind.Witness && !isWitness && peers.All(peer => peer.Host.Name != witness))
        {
            keys.Wrong("colo.arbiter.witness.node", $"is '{witness}', expected one of colo.peers");
        }

        return new ArbiterOptions(
            kind, keys.Duration("colo.arbiter.timeout"), directory, endpoints, keys.Text("colo.arbiter.etcd.prefix"),
            witness)
        {
            EtcdUser = keys.Text("colo.arbiter.etcd.user"),
            EtcdPasswordFile = keys.File("colo.arbiter.etcd.password-file"),
            EtcdAuthority = keys.File("colo.arbiter.etcd.authority"),
        };
    }

    private static HookOptions ReadHooks(KeyReader keys)
    {
        var scripts = new SortedDictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        foreach (string hook in HookNames)
        {
            IReadOnlyList<string> words = keys.Words($"colo.hooks.{hook}");
            if (words.Count > 0 && !File.Exists(words[0]))
            {
                keys.Wrong($"colo.hooks.{hook}", $"is '{words[0]}': no such file");
            }
            else if (words.Count > 0)
            {
                scripts[hook] = words;
            }
        }

        return new HookOptions(scripts, keys.Duration("colo.hooks.timeout"));
    }
}
