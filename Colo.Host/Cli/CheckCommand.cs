using System.Collections;
using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using Colo.Host.Cluster;
using Colo.Host.Configuration;
using Colo.Host.Node;

namespace Colo.Host.Cli;

/// <summary>
/// The command <c>colo check</c>: what is wrong, grouped, each with what to do. <c>--pre FILE</c> looks at a host
/// before its node runs.
/// </summary>
internal static class CheckCommand
{
    private static readonly Argument<string?> Vm = new(
        "VM") { Description = "Only the checks of one VM", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Option<string?> Pre = new(
        "--pre") { Description = "Check this node file and this host instead of a running node" };

    public static Command Build() => ClientCommand.Read(
        "check", "Grouped checks with what to do; exit code 10 for warnings, 1 when one has failed", RunAsync, Vm, Pre);

    private static async Task<int> RunAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        if (parsed.GetValue(Vm) is not null && parsed.GetValue(Pre) is not null)
        {
            throw new CommandLineException("--pre looks at a host and its whole file: expected no VM with it");
        }

        IReadOnlyList<HealthCheck> checks = parsed.GetValue(Pre) is { } file
            ? await BeforeAsync(file, cancellation).ConfigureAwait(false)
            : (await context.Node.HealthAsync(cancellation).ConfigureAwait(false)).Checks;
        if (parsed.GetValue(Vm) is { } vm)
        {
            _ = await context.Node.VmAsync(vm, cancellation).ConfigureAwait(false); // one that is not known is an error
            checks = [.. checks.Where(check => check.Group == vm)];
        }

        string worst = HealthCheck.Worst(checks);
        if (context.Json)
        {
            context.WriteJson(new { version = 1, status = worst, checks });
        }
        else
        {
            Write(context, checks);
        }

        return worst switch { "ok" => ExitCode.Done, "warning" => ExitCode.Degraded, _ => ExitCode.Failed };
    }

    private static void Write(ClientContext context, IReadOnlyList<HealthCheck> checks)
    {
        foreach (IGrouping<string, HealthCheck> group in checks.GroupBy(check => check.Group))
        {
            context.Output.WriteLine(group.Key);
            foreach (HealthCheck check in group)
            {
                string symbol = check.Status switch { "ok" => "√", "warning" => "‼", _ => "×" };
                context.Output.WriteLine($"  {symbol} {check.Status,-7} {check.Name}: {check.Text}");
                if (check.Hint.Length > 0)
                {
                    context.Output.WriteLine($"            -> {check.Hint}");
                }
            }
        }
    }

    private static async Task<IReadOnlyList<HealthCheck>> BeforeAsync(string file, CancellationToken cancellation)
    {
        ConfigurationLoader loader = ConfigurationLoader.Load(file, EnvironmentVariables());
        NodeOptions? options = NodeOptionsReader.Read(loader, out IReadOnlyList<ConfigurationError> errors);
        if (options is null)
        {
            return [.. errors.Select(
                error =>
                new HealthCheck(
                "configuration", error.Key, "failed", error.ToString(),
                "correct it; hocon/reference.conf has every key"))];
        }

        var checks =
            new List<HealthCheck> { new(
            "configuration", file, "ok", $"node {options.Name}, {options.Vms.Count} VMs", string.Empty) };
        checks.AddRange(options.Listen.Select(address => Listen("listen", address)));
        checks.Add(Listen("management", new IPEndPoint(options.Management.Host, options.Management.Port)));
        foreach (
            (Colo.Actors.Links.PeerEndpoint peer, IPEndPoint address) in options.Peers.SelectMany(
            peer => peer.Networks.Select(address => (peer, address))))
        {
            checks.Add(await ReachAsync(peer.Host.Name, address, cancellation).ConfigureAwait(false));
        }

        checks.AddRange(Host(options));
        return checks;
    }

    private static IEnumerable<HealthCheck> Host(NodeOptions options)
    {
        long needed = options.Vms.Where(vm => vm.Nodes.Contains(options.Name)).Sum(vm => vm.MemoryBytes);
        long free = HostMemory.Read().Available;
        yield return free < needed
            ? new HealthCheck(
                "host", "memory", "failed", $"{free >> 20} MiB free, {needed >> 20} MiB for the VMs of this node",
                "fewer VMs here, or more memory")
            : new HealthCheck(
                "host", "memory", "ok", $"{free >> 20} MiB free, {needed >> 20} MiB for the VMs of this node",
                string.Empty);
        foreach (VmDisk disk in options.Vms.Where(vm => vm.Nodes.Contains(options.Name)).SelectMany(vm => vm.Disks))
        {
            yield return File.Exists(disk.Path)
                ? new HealthCheck(
                    "host", "disk", "ok", $"{disk.Path}, {new FileInfo(disk.Path).Length:N0} bytes", string.Empty)
                : new HealthCheck(
                    "host", "disk", "failed", $"{disk.Path} does not exist",
                    "create it with the same size on both hosts");
        }

        foreach (
            VmNic nic in options.Vms.Where(vm => vm.Nodes.Contains(options.Name)).SelectMany(vm => vm.Nics)
            .Where(nic => nic.Bridge.Length > 0))
        {
            yield return Directory.Exists($"/sys/class/net/{nic.Bridge}/bridge")
                ? new HealthCheck("host", "bridge", "ok", nic.Bridge, string.Empty)
                : new HealthCheck(
                    "host", "bridge", "failed", $"{nic.Bridge} is no bridge of this host",
                    "docs/operations.md, section 3");
        }

        yield return File.Exists("/dev/net/tun")
            ? new HealthCheck("host", "tun", "ok", "/dev/net/tun", string.Empty)
            : new HealthCheck("host", "tun", options.IsWitness ? "ok" : "failed", "no /dev/net/tun", "modprobe tun");
    }

    private static HealthCheck Listen(string name, IPEndPoint address)
    {
        try
        {
            using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(address);
            return new HealthCheck("ports", name, "ok", $"{address} is free", string.Empty);
        }
        catch (SocketException problem)
        {
            return new HealthCheck(
                "ports", name, "failed", $"{address}: {problem.Message}",
                "another process has the port, or this host lacks the address");
        }
    }

    private static async Task<HealthCheck> ReachAsync(string peer, IPEndPoint address, CancellationToken cancellation)
    {
        try
        {
            using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            limit.CancelAfter(TimeSpan.FromSeconds(3));
            await socket.ConnectAsync(address, limit.Token).ConfigureAwait(false);
            return new HealthCheck("peers", peer, "ok", $"{address} listens", string.Empty);
        }
        catch (Exception problem) when (problem is SocketException or OperationCanceledException)
        {
            bool refused = problem is SocketException { SocketErrorCode: SocketError.ConnectionRefused };
            return new HealthCheck(
                "peers", peer, "warning", refused ? $"{address}: nobody listens yet" : $"{address} cannot be reached",
                refused ? "normal before its node is started" : "check cables, addresses and firewalls");
        }
    }

    internal static Dictionary<string, string> EnvironmentVariables() =>
        Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
        .ToDictionary(
            entry => (string)entry.Key, entry => (string?)entry.Value ?? string.Empty, StringComparer.Ordinal);
}
