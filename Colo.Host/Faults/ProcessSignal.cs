using System.Diagnostics;
using System.Globalization;

namespace Colo.Host.Faults;

/// <summary>What a node does to its own process in a drill.</summary>
internal static class ProcessSignal
{
    /// <summary>SIGKILL, as if the power had gone; does not return.</summary>
    public static void Kill() => Process.GetCurrentProcess().Kill();

    /// <summary>Stops this process with all its threads, and lets it go on after so long. Another process does both, so
    /// that the end comes whatever happens here.</summary>
    public static void Pause(TimeSpan duration)
    {
        string id = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        string seconds = duration.TotalSeconds.ToString("0.000", CultureInfo.InvariantCulture);
        using Process? helper = Process.Start("/bin/sh", ["-c", $"kill -STOP {id}; sleep {seconds}; kill -CONT {id}"]);
    }
}
