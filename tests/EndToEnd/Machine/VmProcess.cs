using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Colo.Vmm.Qemu;

namespace Colo.EndToEnd.Machine;

/// <summary>
/// A <c>colo vm run</c> process: its console on the pipes of standard input and output, its monitor on a socket.
/// </summary>
internal sealed class VmProcess : IAsyncDisposable
{
    /// <summary>A hang, not a slow machine.</summary>
    public static readonly TimeSpan Hang = TimeSpan.FromMinutes(5);

    private readonly Process _process;
    private readonly string _name;
    private readonly StringBuilder _errors = new();
    private readonly List<QmpEvent> _events = [];
    private readonly string _monitorPath;
    private QmpClient? _monitor;

    public VmProcess(string folder, string name, params string[] arguments)
        : this(null, folder, name, arguments)
    {
    }

    /// <summary>Starts the machine in a namespace, or where this process is.</summary>
    public VmProcess(NetworkNamespace? network, string folder, string name, params string[] arguments)
    {
        _name = name;
        _monitorPath = Path.Combine(folder, name + ".qmp");
        var start = new ProcessStartInfo(Program(), ["vm", "run", "--qmp", $"unix:{_monitorPath}", .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        Console = new ConsoleRecorder { Describe = () => ProcessReport.Of(_process!, _name, Errors) };
        _process = network?.Start(start) ?? Process.Start(start)!;
        _process.ErrorDataReceived += (_, line) =>
        {
            lock (_errors)
            {
                _errors.AppendLine(line.Data);
            }
        };
        _process.BeginErrorReadLine();
        _ = Task.Run(ReadConsoleAsync);
    }

    public ConsoleRecorder Console { get; }

    public int Id => _process.Id;

    public string Name => _name;

    public bool HasExited => _process.HasExited;

    public string Errors
    {
        get
        {
            lock (_errors)
            {
                return _errors.ToString();
            }
        }
    }

    /// <summary>The program that was built beside these tests, in the same configuration.</summary>
    public static string Program()
    {
        var here = new DirectoryInfo(AppContext.BaseDirectory);
        string program = Path.Combine(DebianGuest.SourceRoot, "Colo.Host", "bin", here.Parent!.Name, "net10.0", "colo");
        return File.Exists(program) ? program : throw new FileNotFoundException($"{program} is not built");
    }

    public void Type(string text)
    {
        _process.StandardInput.Write(text);
        _process.StandardInput.Flush();
    }

    /// <summary>Waits until the machine listens at a socket's path.</summary>
    public void WaitForListener(string path) => Assert.True(
        SpinWait.SpinUntil(() => _process.HasExited || Tool.Listens(_process.Id, path), Hang) && !_process.HasExited,
        $"nobody listens at {path}: {ProcessReport.Of(_process, _name, Errors)}");

    /// <summary>Executes a monitor command and returns its value.</summary>
    /// <exception cref="QmpException">The command failed.</exception>
    public async Task<JsonElement> ExecuteAsync(string command, JsonObject? arguments = null)
    {
        QmpClient monitor = await MonitorAsync();
        return await monitor.ExecuteAsync(command, arguments, Hang);
    }

    public async Task<JsonElement> ExecuteOutOfBandAsync(string command, JsonObject? arguments = null)
    {
        QmpClient monitor = await MonitorAsync();
        return await monitor.ExecuteOutOfBandAsync(command, arguments, Hang);
    }

    /// <summary>Connects to the monitor, waiting for the process to create it; events are kept from now on.</summary>
    public async Task<QmpClient> MonitorAsync()
    {
        if (_monitor is { } known)
        {
            return known;
        }

        var waited = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                return _monitor = await QmpClient.ConnectAsync(_monitorPath, Keep, Hang, TimeProvider.System);
            }
            catch (System.Net.Sockets.SocketException) when (waited.Elapsed < Hang && !_process.HasExited)
            {
                await Task.Delay(20);
            }
            catch (System.Net.Sockets.SocketException e)
            {
                throw new InvalidOperationException($"{_name}: no monitor: {e.Message}; it said: {Errors}", e);
            }
        }
    }

    public int CountEvents(string name)
    {
        lock (_events)
        {
            return _events.Count(e => e.Name == name);
        }
    }

    /// <summary>Waits for the n-th event of a name, counted from the first connection to the monitor.</summary>
    public QmpEvent WaitForEvent(string name, int count = 1)
    {
        DateTime end = DateTime.UtcNow + Hang;
        lock (_events)
        {
            while (true)
            {
                QmpEvent? found = _events.Where(e => e.Name == name).Skip(count - 1).FirstOrDefault();
                if (found is not null)
                {
                    return found;
                }

                TimeSpan left = end - DateTime.UtcNow;
                Assert.True(
                    left > TimeSpan.Zero && System.Threading.Monitor.Wait(_events, left),
                    $"{_name}: no event {name} number {count} within {Hang}; there were "
                    + $"{string.Join(", ", _events.Select(e => e.Name))}\n{Errors}");
            }
        }
    }

    /// <summary>Waits for its end; another exit code comes with what the process said.</summary>
    public async Task EndsWithAsync(int exitCode)
    {
        await _process.WaitForExitAsync().WaitAsync(Hang);
        Assert.True(
            _process.ExitCode == exitCode, $"{_name} ended with {_process.ExitCode}, expected {exitCode}: {Errors}");
    }

    /// <summary>SIGKILL: what the loss of a host looks like to the others.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit(); // it has its ports until then
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }

        if (_monitor is not null)
        {
            await _monitor.DisposeAsync();
        }

        _process.Dispose();
    }

    private void Keep(QmpEvent happened)
    {
        lock (_events)
        {
            _events.Add(happened);
            System.Threading.Monitor.PulseAll(_events);
        }
    }

    private async Task ReadConsoleAsync()
    {
        try
        {
            var buffer = new byte[4096];
            int got;
            while ((got = await _process.StandardOutput.BaseStream.ReadAsync(buffer)) > 0)
            {
                Console.Write(buffer.AsSpan(0, got));
            }
        }
        finally
        {
            Console.Close();
        }
    }
}
