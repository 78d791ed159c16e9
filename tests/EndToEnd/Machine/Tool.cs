using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace Colo.EndToEnd.Machine;

/// <summary>Another program that a test starts and ends.</summary>
internal sealed class Tool : IDisposable
{
    private readonly Process _process;
    private readonly string _name;
    private readonly ManualResetEventSlim _over;
    private readonly StringBuilder _said = new();

    private Tool(string name, Process process, ManualResetEventSlim over)
    {
        _name = name;
        _process = process;
        _over = over;
        // Read, so that the program never waits for us; what it says is not judged.
        process.OutputDataReceived += (_, line) => Keep(line.Data);
        process.ErrorDataReceived += (_, line) => Keep(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public static Tool Start(string name, params string[] arguments) => StartIn(null, name, arguments);

    /// <summary>Starts the program in a namespace, or where this process is.</summary>
    public static Tool StartIn(NetworkNamespace? network, string name, params string[] arguments)
    {
        var start = new ProcessStartInfo(name, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var over = new ManualResetEventSlim();
        try
        {
            return new Tool(name, StartOnLastingThread(network, start, over), over);
        }
        catch (Win32Exception)
        {
            throw new InvalidOperationException($"the program {name} is needed; ./colo test e2e installs it");
        }
    }

    /// <summary>nbdkit asks the kernel to be ended with its parent (PR_SET_PDEATHSIG), and that is the thread which
    /// started it, not the process: a thread of the pool may end at any time.</summary>
    private static Process StartOnLastingThread(
        NetworkNamespace? network, ProcessStartInfo start, ManualResetEventSlim over)
    {
        var started = new TaskCompletionSource<Process>();
        var thread = new Thread(() =>
        {
            try
            {
                network?.Enter();
                started.SetResult(Process.Start(start)!);
                over.Wait();
            }
            catch (Exception e)
            {
                started.SetException(e);
            }
        })
        { Name = $"parent of {start.FileName}", IsBackground = true };
        thread.Start();
        return started.Task.GetAwaiter().GetResult();
    }

    /// <summary>Waits until the program listens at a socket's path.</summary>
    public void WaitForListener(string path) => Assert.True(
        SpinWait.SpinUntil(() => _process.HasExited || Listens(_process.Id, path), VmProcess.Hang)
            && !_process.HasExited,
        $"nobody listens at {path}: {ProcessReport.Of(_process, _name, Said())}");

    /// <summary>Whether a process listens at a socket's path; the file is there a moment earlier.</summary>
    public static bool Listens(int processId, string path)
    {
        const string listening = " 00010000 "; // __SO_ACCEPTCON, proc(5)
        try
        {
            return File.ReadLines($"/proc/{processId}/net/unix").Any(line =>
                line.EndsWith(' ' + path, StringComparison.Ordinal)
                && line.Contains(listening, StringComparison.Ordinal));
        }
        catch (IOException)
        {
            return false;
        }
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
        _over.Set();
    }

    private string Said()
    {
        lock (_said)
        {
            return _said.ToString();
        }
    }

    private void Keep(string? line)
    {
        lock (_said)
        {
            _said.AppendLine(line);
        }
    }
}
