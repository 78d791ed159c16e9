using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Colo.EndToEnd.Machine;

namespace Colo.EndToEnd.Qemu;

/// <summary>
/// Two real node processes in a network namespace of their own, with an arbiter's directory and one QEMU guest of
/// guests/x86. What is waited for is a state; a wait ends badly only after minutes, because the machine may be slow and
/// shared.
/// </summary>
internal sealed class QemuCluster : IDisposable
{
    public const string Vm = "small";
    public const string GuestAddress = "10.88.0.2";
    public const string GuestMac = "52:54:00:88:00:02";
    private const int DataPort = 7450;
    private const int ManagementPort = 7550;
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(3);

    private readonly NetworkNamespace _network = new();
    private readonly Process?[] _nodes = new Process?[2];
    private readonly bool _hasCard;
    private readonly string _card;

    /// <param name="guest">counter, scatter or echo.</param>
    /// <param name="keys">HOCON for the VM, over the defaults of the tests; NODE in it stands for the node's
    /// number, FOLDER for the folder of the test.</param>
    /// <param name="firstBytes">Size of the image of node 0.</param>
    /// <param name="secondBytes">Size of the image of node 1.</param>
    /// <param name="card">Model of the card of echo.</param>
    public QemuCluster(
        string guest, string keys = "", long firstBytes = 1 << 20, long secondBytes = 1 << 20, string card = "rtl8139")
    {
        Folder = Directory.CreateTempSubdirectory("colo-q").FullName;
        QemuRemains.EndWithThisProcess(Folder);
        _hasCard = guest == "echo";
        _card = card;
        Assemble(guest, ImageOf(0));
        Resize(ImageOf(0), firstBytes);
        Resize(ImageOf(1), secondBytes);
        Directory.CreateDirectory(Path.Combine(Folder, "arbiter"));
        for (int node = 0; node < 2; node++)
        {
            File.WriteAllText(ConfigOf(node), Config(node, keys));
        }

        if (_hasCard)
        {
            Tool("ip", "link add br0 type bridge");
            Tool("ip", "addr add 10.88.0.1/24 dev br0");
            Tool("ip", "link set br0 up");
        }
    }

    public string Folder { get; }

    public NetworkNamespace Network => _network;

    public string ImageOf(int node) => Path.Combine(Folder, $"{node}.img");

    public void Start(int node)
    {
        var start = new ProcessStartInfo("/bin/sh") { UseShellExecute = false };
        foreach (string argument in (string[])["-c", "log=$1; shift; exec \"$@\" >>\"$log\" 2>&1", "sh", LogOf(node), Program(), "node", "--config", ConfigOf(node)])
        {
            start.ArgumentList.Add(argument);
        }

        // A child is born in the namespace of the thread that starts it.
        _nodes[node] = _network.Run(() => Process.Start(start)!);
    }

    public void KillNode(int node)
    {
        _nodes[node]!.Kill();
        _nodes[node]!.WaitForExit();
    }

    /// <summary>The process of the QEMU of this node, from what the node keeps for its own restart.</summary>
    public int QemuOf(int node)
    {
        using JsonDocument state = JsonDocument.Parse(File.ReadAllText(Path.Combine(StateOf(node), Vm, "state.json")));
        return state.RootElement.GetProperty("ProcessId").GetInt32();
    }

    public void Signal(int node, string signal) => Tool("kill", $"-{signal} {QemuOf(node)}");

    public void SignalNode(int node, string signal) => Tool("kill", $"-{signal} {_nodes[node]!.Id}");

    public static bool Lives(int process)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{process}/stat");
            return stat[stat.LastIndexOf(')') + 2] is not ('Z' or 'X');
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>Waits until the node's view of the VM is as wanted.</summary>
    public JsonElement When(int node, string what, Func<JsonElement, bool> wanted)
    {
        var clock = Stopwatch.StartNew();
        string last = "nothing";
        while (clock.Elapsed < Hang && _nodes[node] is not { HasExited: true })
        {
            if (Request(node, "GET", $"/vms/{Vm}") is { Status: 200 } answer)
            {
                last = answer.Body;
                JsonElement view = JsonDocument.Parse(answer.Body).RootElement;
                if (wanted(view))
                {
                    return view;
                }
            }

            Thread.Sleep(30);
        }

        throw new TimeoutException($"node {node} did not reach '{what}' within {Hang.TotalMinutes} minutes, or ended; last: {last}\n{Logs()}");
    }

    /// <summary>Waits for a pair with this primary.</summary>
    /// <param name="primary">The node.</param>
    /// <param name="after">The term of the pair is a later one than this: where the primary stays the same, its view
    /// may still be that of the pair before.</param>
    /// <returns>The pair's term.</returns>
    public long WhenProtected(int primary, long after = 0)
    {
        JsonElement owner = When(
            primary, "protected as primary", view => IsPair(view, "Primary") && TermOf(view) > after);
        long term = TermOf(owner);
        When(1 - primary, "protected as secondary", view => IsPair(view, "Secondary") && TermOf(view) >= term);
        return term;

        static bool IsPair(JsonElement view, string role) =>
            Text(view, "protection") == "Protected" && Text(view, "role") == role;
    }

    public static long TermOf(JsonElement view) => view.GetProperty("term").GetInt64();

    /// <summary>How often a guest of this node has become one that runs alone: from then on QEMU loads no state, so
    /// that what it prints is the course of one guest.</summary>
    public int TimesAlone(int node) =>
        File.ReadLines(LogOf(node)).Count(line => line.Contains("the guest runs alone here", StringComparison.Ordinal));

    /// <summary>So many checkpoints more than now.</summary>
    public void AwaitCheckpoints(int primary, int count)
    {
        long start = When(primary, "any", _ => true).GetProperty("epoch").GetInt64();
        When(primary, $"{count} checkpoints", view => view.GetProperty("epoch").GetInt64() >= start + count);
    }

    public void Until(string what, Func<bool> reached)
    {
        var clock = Stopwatch.StartNew();
        while (!reached())
        {
            if (clock.Elapsed > Hang)
            {
                throw new TimeoutException($"'{what}' did not happen within {Hang.TotalMinutes} minutes\n{Logs()}");
            }

            Thread.Sleep(10);
        }
    }

    /// <summary>What the guest of this node has printed, over all lives of its QEMU; whole lines only.</summary>
    public string[] Printed(int node)
    {
        string log = Path.Combine(StateOf(node), Vm, "console.log");
        if (!File.Exists(log))
        {
            return [];
        }

        using FileStream file = new(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(file, Encoding.Latin1);
        return reader.ReadToEnd().Split('\n')[..^1];
    }

    /// <summary>The events of these names, in order.</summary>
    public IReadOnlyList<string> Events(int node, params string[] names) =>
        [.. File.ReadLines(LogOf(node)).Where(line =>
            names.Any(name => line.Contains($" {name} ", StringComparison.Ordinal)))];

    /// <summary>One request to the management HTTP of a node; null when it does not answer.</summary>
    public (int Status, string Body)? Request(int node, string method, string path) => _network.Run<(int, string)?>(() =>
    {
        try
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 120_000 };
            socket.Connect(IPAddress.Loopback, ManagementPort + node);
            socket.Send(Encoding.ASCII.GetBytes($"{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"));
            using var reader = new StreamReader(new NetworkStream(socket));
            string whole = reader.ReadToEnd();
            int body = whole.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            return body < 0 ? null : (int.Parse(whole.Split(' ')[1], CultureInfo.InvariantCulture), whole[(body + 4)..]);
        }
        catch (Exception problem) when (problem is SocketException or IOException)
        {
            return null;
        }
    });

    public static string Text(JsonElement view, string member) => view.GetProperty(member).GetString() ?? string.Empty;

    public string Logs() => string.Join('\n', Enumerable.Range(0, 2).Where(node => File.Exists(LogOf(node))).Select(node =>
        $"--- node {node}\n{string.Join('\n', File.ReadLines(LogOf(node)).Where(line => !line.Contains(" E3", StringComparison.Ordinal)).TakeLast(60))}"));

    /// <summary>Output of a program inside the namespace.</summary>
    public string Tool(string program, string arguments) => _network.Run(() =>
    {
        string path = new[] { "/usr/sbin", "/sbin", "/usr/bin", "/bin" }.Select(folder => Path.Combine(folder, program)).First(File.Exists);
        using Process process = Process.Start(new ProcessStartInfo(path, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        string output = process.StandardOutput.ReadToEnd();
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{program} {arguments}: {error}");
    });

    public void Dispose()
    {
        for (int node = 0; node < 2; node++)
        {
            if (_nodes[node] is { HasExited: false })
            {
                KillNode(node);
            }

            _nodes[node]?.Dispose();
        }

        QemuRemains.End(Folder); // a QEMU outlives its node
        _network.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    /// <summary>Builds a guest of guests/x86.</summary>
    public static void Assemble(string guest, string image)
    {
        string source = Path.Combine(DebianGuest.SourceRoot, "guests", "x86", guest + ".asm");
        using Process nasm = Process.Start(new ProcessStartInfo("nasm", ["-f", "bin", "-o", image, source]) { RedirectStandardError = true })!;
        string error = nasm.StandardError.ReadToEnd();
        nasm.WaitForExit();
        Assert.True(nasm.ExitCode == 0, error);
    }

    private static void Resize(string path, long bytes)
    {
        using FileStream file = new(path, FileMode.OpenOrCreate);
        file.SetLength(bytes);
    }

    private string StateOf(int node) => Path.Combine(Folder, $"s{node}");

    private string ConfigOf(int node) => Path.Combine(Folder, $"{node}.conf");

    private string LogOf(int node) => Path.Combine(Folder, $"{node}.log");

    private string Config(int node, string keys) => $$"""
        colo {
          node { name = node-{{node}}, listen = ["127.0.0.1:{{DataPort + node}}"], state-directory = "{{StateOf(node)}}" }
          management { port = {{ManagementPort + node}} }
          peers { node-{{1 - node}} = ["127.0.0.1:{{DataPort + 1 - node}}"] }
          arbiter { kind = directory, directory { path = "{{Path.Combine(Folder, "arbiter")}}" } }
          # The machine that runs the tests may be busy with other things; what is tested here is not the detector.
          heartbeat { lost-after = 8s, pause-accepted = 5s }
          vms {
            {{Vm}} {
              backend = qemu
              memory = 16MiB
              nodes = [node-0, node-1]
              disks = [{ path = "{{ImageOf(node)}}", device = ide-hd }]
              nics = [{{(_hasCard ? $"{{ model = \"{_card},romfile=\", bridge = br0, tap = tap-{node}, mac = \"{GuestMac}\" }}" : "")}}]
              checkpoint { period = 400ms }
              qemu { cpu = qemu64, hang-timeout = 30s }
              {{OfNode(keys, node)}}
            }
          }
        }
        """;

    private string OfNode(string keys, int node) => keys
        .Replace("NODE", node.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
        .Replace("FOLDER", Folder, StringComparison.Ordinal);

    private static string Program()
    {
        string configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
        string program = Path.Combine(DebianGuest.SourceRoot, "Colo.Host", "bin", configuration, "net10.0", "colo");
        return File.Exists(program) ? program : throw new FileNotFoundException($"Colo.Host is not built in configuration {configuration}");
    }
}
