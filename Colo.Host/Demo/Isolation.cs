using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Colo.Host.Demo;

/// <summary>
/// Runs this program again inside network, mount and PID namespaces of its own; without root inside a user namespace
/// too, where the system permits it. When the outer process ends, for whatever reason, the kernel ends all inside.
/// </summary>
public static class Isolation
{
    private const string Marker = "COLO_ISOLATED";

    /// <summary>Whether this process already is the inner one.</summary>
    public static bool IsInside => Environment.GetEnvironmentVariable(Marker) == "1";

    /// <summary>The command that runs <paramref name="program"/> with <paramref name="arguments"/> isolated.</summary>
    public static ProcessStartInfo Command(string program, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo("unshare") { UseShellExecute = false };
        foreach (string option in Options())
        {
            start.ArgumentList.Add(option);
        }

        start.ArgumentList.Add("--");
        start.ArgumentList.Add(program);
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment[Marker] = "1";
        return start;
    }

    /// <summary>Runs this same program isolated and waits for it.</summary>
    /// <returns>Its exit code.</returns>
    public static int RunSelf(IEnumerable<string> arguments)
    {
        string self = Environment.ProcessPath ?? throw new InvalidOperationException("the path of this program is unknown");
        using Process process = Process.Start(Command(self, arguments))
            ?? throw new InvalidOperationException("unshare could not be started");
        // The terminal sends Ctrl-C to the whole group: the inner process ends and says so, this one only waits.
        ConsoleCancelEventHandler wait = (_, pressed) => pressed.Cancel = true;
        Console.CancelKeyPress += wait;
        // Nobody else would tell the processes inside; the kernel ends them all with the one that made the namespaces.
        using PosixSignalRegistration terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal =>
        {
            signal.Cancel = true;
            process.Kill();
        });
        try
        {
            process.WaitForExit();
        }
        finally
        {
            Console.CancelKeyPress -= wait;
        }

        return process.ExitCode;
    }

    private static IEnumerable<string> Options()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            yield return "--user";
            yield return "--map-root-user";
        }

        yield return "--net";
        yield return "--mount";
        yield return "--pid";
        yield return "--fork";
        yield return "--kill-child=SIGKILL";
        yield return "--mount-proc";
    }
}
