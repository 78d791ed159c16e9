using System.Diagnostics;

namespace Colo.EndToEnd.Machine;

/// <summary>Another program that a test starts and ends.</summary>
internal sealed class Tool : IDisposable
{
    private readonly Process _process;
    private readonly string _name;

    private Tool(string name, Process process)
    {
        _name = name;
        _process = process;
        // Read, so that the program never waits for us; what it says is not judged.
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public static Tool Start(string name, params string[] arguments)
    {
        var start = new ProcessStartInfo(name, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            return new Tool(name, Process.Start(start)!);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            throw new InvalidOperationException($"the program {name} is needed; ./colo test e2e installs it");
        }
    }

    /// <summary>Waits until a program has made its socket.</summary>
    public static void WaitForFile(string path, Tool? maker) => Assert.True(
        SpinWait.SpinUntil(() => File.Exists(path) || maker is { _process.HasExited: true }, VmProcess.Hang)
            && File.Exists(path),
        $"{maker?._name ?? "the machine"} did not create {path}");

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
    }
}
