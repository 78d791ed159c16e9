using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace Colo.Benchmarks.Qemu;

/// <summary>A look at a VM through its node's HTTP.</summary>
internal sealed record PairView(string Role, string Protection, long Epoch, TimeSpan Pause, TimeSpan Checkpoint);

/// <summary>Two node processes on the loopback interface with one VM named small, in mode periodic, of either
/// backend.</summary>
internal sealed class PairProcesses : IDisposable
{
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(3);
    private readonly string _folder = Directory.CreateTempSubdirectory("colo-bq").FullName;
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(30) };
    private readonly int[] _ports = FreePorts(4);
    private readonly Process?[] _nodes = new Process?[2];
    private readonly string _program;
    private readonly Queue<string> _last = new();
    private readonly Lock _printing = new();
    private TaskCompletionSource _nextLine = NewSource();

    /// <param name="root">The source tree.</param>
    /// <param name="vm">HOCON of the VM, by the node's number and a folder for its files.</param>
    public PairProcesses(string root, Func<int, string, string> vm)
    {
        _program = Path.Combine(root, "Colo.Host", "bin", "Release", "net10.0", "colo");
        if (!File.Exists(_program))
        {
            throw new FileNotFoundException($"{_program} is not built; run this by ./colo bench qemu");
        }

        for (int node = 0; node < 2; node++)
        {
            File.WriteAllText(ConfigOf(node), $$"""
                colo {
                  node { name = node-{{node}}, listen = ["127.0.0.1:{{_ports[node]}}"], state-directory = "{{_folder}}/s{{node}}" }
                  management { port = {{_ports[2 + node]}} }
                  peers { node-{{1 - node}} = ["127.0.0.1:{{_ports[1 - node]}}"] }
                  # What is measured is a process that is gone, not the detector of silence on a busy machine.
                  heartbeat { lost-after = 8s, pause-accepted = 5s }
                  arbiter { kind = directory, directory { path = "{{_folder}}/arbiter" } }
                  vms { small { nodes = [node-0, node-1], mode = periodic, {{vm(node, _folder)}} } }
                }
                """);
        }
    }

    /// <summary>Told of every line that a node prints, with its number, as it comes.</summary>
    public Action<int, string>? Printed { get; set; }

    /// <summary>What the nodes have printed last.</summary>
    public string LastLines
    {
        get
        {
            lock (_printing)
            {
                return string.Join('\n', _last);
            }
        }
    }

    /// <summary>Ends with the next line that one of the nodes prints; whatever changes is told by a line. To be taken
    /// before the look that decides whether to wait.</summary>
    public Task NextLine
    {
        get
        {
            lock (_printing)
            {
                return _nextLine.Task;
            }
        }
    }

    public void Start(int node)
    {
        Directory.CreateDirectory(Path.Combine(_folder, "arbiter"));
        Process process = Process.Start(new ProcessStartInfo(_program, ["node", "--config", ConfigOf(node)])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        process.OutputDataReceived += (_, line) => Take(node, line.Data);
        process.ErrorDataReceived += (_, line) => Take(node, line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        _nodes[node] = process;
    }

    public void KillNode(int node)
    {
        _nodes[node]!.Kill();
        _nodes[node]!.WaitForExit();
    }

    /// <summary>SIGKILL for the QEMU that the node keeps.</summary>
    public void KillQemu(int node)
    {
        using JsonDocument state = JsonDocument.Parse(File.ReadAllText(Path.Combine(_folder, $"s{node}", "small", "state.json")));
        Process.GetProcessById(state.RootElement.GetProperty("ProcessId").GetInt32()).Kill();
    }

    public PairView? Look(int node)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(_http.GetStringAsync(Url(node, string.Empty)).GetAwaiter().GetResult());
            JsonElement view = document.RootElement;
            JsonElement gauges = view.GetProperty("gauges");
            return new PairView(
                view.GetProperty("role").GetString()!, view.GetProperty("protection").GetString()!, view.GetProperty("epoch").GetInt64(),
                Span(gauges, "lastPause"), Span(gauges, "lastCheckpoint"));
        }
        catch (HttpRequestException)
        {
            return null; // it does not listen yet
        }

        static TimeSpan Span(JsonElement gauges, string name) =>
            gauges.ValueKind == JsonValueKind.Object ? TimeSpan.Parse(gauges.GetProperty(name).GetString()!, CultureInfo.InvariantCulture) : default;
    }

    /// <returns>The primary's number.</returns>
    public int AwaitPair()
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            Task line = NextLine;
            PairView?[] views = [Look(0), Look(1)];
            int primary = Array.FindIndex(views, view => view is { Role: "Primary", Protection: "Protected" });
            if (primary >= 0 && views[1 - primary] is { Role: "Secondary", Protection: "Protected" })
            {
                return primary;
            }

            if (clock.Elapsed > Hang)
            {
                throw new TimeoutException($"there was no pair within {Hang.TotalMinutes} minutes; the last of it:\n{LastLines}");
            }

            line.Wait(Hang);
        }
    }

    /// <summary>What the guest prints on this node from now on, as it comes, until the node ends.</summary>
    public void FollowConsole(int node, Action<ReadOnlySpan<byte>> output)
    {
        Stream stream = _http.GetStreamAsync(Url(node, "/console?follow=true")).GetAwaiter().GetResult();
        new Thread(() =>
        {
            byte[] buffer = new byte[4096];
            try
            {
                int length;
                while ((length = stream.Read(buffer)) > 0)
                {
                    output(buffer.AsSpan(0, length));
                }
            }
            catch (Exception problem) when (problem is IOException or ObjectDisposedException or HttpRequestException)
            {
                // The node has ended.
            }
        })
        { IsBackground = true }.Start();
    }

    public void Dispose()
    {
        _http.Dispose();
        for (int node = 0; node < 2; node++)
        {
            if (_nodes[node] is { HasExited: false })
            {
                KillNode(node);
            }

            _nodes[node]?.Dispose();
            try
            {
                KillQemu(node); // it outlives its node
            }
            catch (Exception problem) when (problem is IOException or ArgumentException or InvalidOperationException)
            {
                // There is none.
            }
        }

        Directory.Delete(_folder, recursive: true);
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static int[] FreePorts(int count)
    {
        TcpListener[] listeners = [.. Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0))];
        Array.ForEach(listeners, listener => listener.Start());
        int[] ports = [.. listeners.Select(listener => ((IPEndPoint)listener.LocalEndpoint).Port)];
        Array.ForEach(listeners, listener => listener.Stop());
        return ports;
    }

    private string ConfigOf(int node) => Path.Combine(_folder, $"{node}.conf");

    private string Url(int node, string rest) => $"http://127.0.0.1:{_ports[2 + node]}/vms/small{rest}";

    private void Take(int node, string? line)
    {
        if (line is not null)
        {
            Printed?.Invoke(node, line);
            lock (_printing)
            {
                // Checkpoints come and go; what is of interest when something is missed lies before them.
                if (!line.Contains(" E3", StringComparison.Ordinal))
                {
                    _last.Enqueue($"{node}: {line}");
                }

                while (_last.Count > 60)
                {
                    _last.Dequeue();
                }

                _nextLine.SetResult();
                _nextLine = NewSource();
            }
        }
    }
}
