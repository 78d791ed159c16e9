using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Colo.Host.Demo;

/// <summary>
/// A small network out of namespaces, veth pairs and bridges, for the demo and the end-to-end tests:
/// <code>
///   client ---- lan (bridge) ---- node-a (br0, taps)      LAN          10.10.0.0/24, guest at .50
///                    |----------- node-b (br0, taps)
///   node-a, node-b ---- replication (bridge)              replication  10.20.0.0/24
///   node-a, node-b, witness ---- mgmt (bridge)            management   10.30.0.0/24
/// </code>
/// It must run inside network, mount and PID namespaces of its own (<see cref="Isolation"/>): then everything made here
/// goes away with the process that made it, also when that process is killed.
/// </summary>
public sealed class NetworkLab
{
    public const string Client = "client";
    public const string Witness = "witness";
    public const string GuestAddress = "10.10.0.50";

    /// <summary>Of a second guest that is not protected.</summary>
    public const string AloneAddress = "10.10.0.51";
    public const int PrefixLength = 24;

    private const string Lan = "lan";
    private const string Mgmt = "mgmt";
    private const string Wire = "wire";

    private static readonly Cable[] Each = [Cable.Lan, Cable.Management, Cable.Replication];

    private NetworkLab(IReadOnlyList<string> hosts) => Hosts = hosts;

    /// <summary>Names of the namespaces that can run guests, in order: the n-th has the addresses .n of each
    /// network.</summary>
    public IReadOnlyList<string> Hosts { get; }

    public static string ClientAddress => "10.10.0.9";

    public static string WitnessAddress => "10.30.0.9";

    /// <summary>Builds the network for the given hosts, one to eight.</summary>
    /// <exception cref="InvalidOperationException">A step failed; the message holds the command and what it
    /// printed.</exception>
    public static NetworkLab Create(params string[] hosts)
    {
        if (hosts.Length is 0 or > 8)
        {
            throw new ArgumentException($"{hosts.Length} hosts: expected 1 to 8", nameof(hosts));
        }

        RequireTun();
        if (!Directory.Exists("/run/netns"))
        {
            // Without root /run itself cannot be written; in a mount namespace of our own it can be covered.
            Run("mount", "-t", "tmpfs", "tmpfs", "/run");
            Directory.CreateDirectory("/run/netns");
        }

        Run("mount", "-t", "tmpfs", "tmpfs", "/run/netns");
        Ip("link set lo up");
        var lab = new NetworkLab(hosts);
        foreach (string name in (string[])[Lan, Mgmt, Wire, Client, Witness, .. hosts])
        {
            Ip($"netns add {name}");
            Ip($"-n {name} link set lo up");
        }

        AddBridge(Lan, "br0");
        AddBridge(Mgmt, "br0");
        AddBridge(Wire, "br0");
        Plug(Client, "eth0", Lan, ClientAddress);
        Plug(Witness, "mgmt0", Mgmt, WitnessAddress);
        for (int index = 0; index < hosts.Length; index++)
        {
            AddBridge(hosts[index], "br0");
            Plug(hosts[index], "lan0", Lan, address: null);
            Ip($"-n {hosts[index]} link set lan0 master br0");
            Ip($"-n {hosts[index]} addr add 10.10.0.{index + 1}/{PrefixLength} dev br0");
            Plug(hosts[index], "mgmt0", Mgmt, lab.ManagementAddress(hosts[index]));
            Plug(hosts[index], "rep0", Wire, lab.ReplicationAddress(hosts[index]));
        }

        return lab;
    }

    /// <summary>Address of a host on the network between hosts.</summary>
    public string ReplicationAddress(string host) => Number(20, host);

    /// <summary>Address of a host on the management network.</summary>
    public string ManagementAddress(string host) => Number(30, host);

    /// <summary>
    /// Pulls or plugs cables of a host. A pulled cable is silent: no reset reaches anybody, as with a real one.
    /// </summary>
    public static void SetCable(string host, Cable cables, bool plugged)
    {
        foreach (Cable cable in Each.Where(cable => cables.HasFlag(cable)))
        {
            (string network, string port) = Port(host, cable);
            Ip($"-n {network} link set {port} {(plugged ? "up" : "down")}");
        }
    }

    /// <summary>
    /// Lets nothing, or all, pass between two hosts on every network that joins them; both still reach everybody else.
    /// Their frames for each other go to an address that nobody has, so the loss is silent.
    /// </summary>
    public void SetBetween(string one, string other, bool passes)
    {
        SetTowards(one, other, passes);
        SetTowards(other, one, passes);
    }

    /// <summary>The same in one direction: what <paramref name="from"/> sends to <paramref name="to"/>.</summary>
    public void SetTowards(string from, string to, bool passes)
    {
        SetNeighbour(from, ManagementAddress(to), "mgmt0", passes);
        SetNeighbour(from, ReplicationAddress(to), "rep0", passes);
    }

    /// <summary>Whether the kernel of a host reaches the guest. Its bridge passes everybody else's frames
    /// on.</summary>
    public static void SetTowardsGuest(string host, bool passes) => SetNeighbour(host, GuestAddress, "br0", passes);

    private static void SetNeighbour(string place, string address, string device, bool passes) => Ip(passes
        ? $"-n {place} neigh del {address} dev {device}"
        : $"-n {place} neigh replace {address} lladdr 02:00:00:00:00:99 nud permanent dev {device}");

    /// <summary>Makes what a <see cref="FaultyCable"/> needs besides its process.</summary>
    /// <returns>The namespace of its process, and the names of the two TAP interfaces that it makes.</returns>
    internal static (string Place, string Near, string Far) PrepareWire(string host, Cable cable)
    {
        (string network, string port) = Port(host, cable);
        AddBridge(network, "x" + port);
        return (network, "y" + port, "z" + port);
    }

    /// <summary>The host's frames go by way of the two interfaces.</summary>
    internal static void InsertWire(string host, Cable cable)
    {
        (string network, string port) = Port(host, cable);
        Ip($"-n {network} link set y{port} master x{port} up");
        Ip($"-n {network} link set z{port} master br0 up");
        Ip($"-n {network} link set {port} master x{port}");
    }

    /// <summary>And no longer.</summary>
    internal static void RemoveWire(string host, Cable cable)
    {
        (string network, string port) = Port(host, cable);
        Ip($"-n {network} link set {port} master br0");
        Ip($"-n {network} link del x{port}");
    }

    /// <summary>The switch of the clients' network forgets who is where, and passes nothing on meanwhile.</summary>
    internal static void RestartLan()
    {
        Ip($"-n {Lan} link set br0 down");
        Ip($"-n {Lan} link set br0 up");
    }

    /// <summary>A start-info that runs a program inside a namespace of the lab.</summary>
    public static ProcessStartInfo Inside(string place, string program, params string[] arguments)
    {
        // nsenter replaces itself with the program, so the process id is the program's own.
        var start = new ProcessStartInfo("nsenter") { UseShellExecute = false };
        start.ArgumentList.Add($"--net=/run/netns/{place}");
        start.ArgumentList.Add("--");
        start.ArgumentList.Add(program);
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        return start;
    }

    /// <summary>The guest's card is a TAP interface. A namespace of one's own is no right to the device.</summary>
    private static void RequireTun()
    {
        const string Device = "/dev/net/tun";
        try
        {
            using FileStream tun = new(Device, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new InvalidOperationException(
                $"this needs {Device}, which this user may not open here ({problem.Message}): run it as root, or permit it "
                + $"(chmod 0666 {Device}, which udev does on most systems)", problem);
        }
    }

    private static void AddBridge(string place, string name)
    {
        Ip($"-n {place} link add {name} type bridge stp_state 0 forward_delay 0");
        Ip($"-n {place} link set {name} up");
    }

    private static void Plug(string place, string device, string network, string? address)
    {
        string port = PortName(place, device);
        Ip($"link add {port} netns {network} type veth peer name {device} netns {place}");
        Ip($"-n {network} link set {port} master br0 up");
        Ip($"-n {place} link set {device} up");
        if (address is not null)
        {
            Ip($"-n {place} addr add {address}/{PrefixLength} dev {device}");
        }
    }

    private static (string Network, string Port) Port(string host, Cable cable) => cable switch
    {
        Cable.Lan => (Lan, PortName(host, "lan0")),
        Cable.Management => (Mgmt, PortName(host, "mgmt0")),
        Cable.Replication => (Wire, PortName(host, "rep0")),
        _ => throw new ArgumentException($"cables {cable} of {host}: expected one of them", nameof(cable)),
    };

    private static string PortName(string place, string device) => device == "eth0" ? $"p-{place}" : $"{device[0]}-{place}";

    private static void Ip(string arguments, bool mayFail = false) => Run("ip", mayFail, arguments.Split(' '));

    private static void Run(string program, params string[] arguments) => Run(program, false, arguments);

    private static void Run(string program, bool mayFail, string[] arguments)
    {
        var start = new ProcessStartInfo(program)
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start)!;
        var output = new StringBuilder(process.StandardError.ReadToEnd());
        output.Append(process.StandardOutput.ReadToEnd());
        process.WaitForExit();
        if (process.ExitCode != 0 && !mayFail)
        {
            throw new InvalidOperationException(
                $"'{program} {string.Join(' ', arguments)}' ended with {process.ExitCode}: {output.ToString().Trim()}");
        }
    }

    private string Number(int network, string host)
    {
        int index = Hosts.ToList().IndexOf(host);
        if (index < 0)
        {
            throw new ArgumentException($"host '{host}' is not in this lab; it has {string.Join(", ", Hosts)}", nameof(host));
        }

        return string.Create(CultureInfo.InvariantCulture, $"10.{network}.0.{index + 1}");
    }
}
