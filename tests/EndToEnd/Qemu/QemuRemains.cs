using System.Diagnostics;
using System.Globalization;

namespace Colo.EndToEnd.Qemu;

/// <summary>What a test with QEMUs would leave behind: a QEMU outlives its node, and a runner that is killed by its
/// time limit disposes nothing.</summary>
internal static class QemuRemains
{
    /// <summary>Ends every process that has this folder in its command line. The folder's name is unique.</summary>
    public static void End(string folder)
    {
        foreach (string process in Directory.GetDirectories("/proc").Where(path => char.IsAsciiDigit(Path.GetFileName(path)[0])))
        {
            try
            {
                if (File.ReadAllText(Path.Combine(process, "cmdline")).Contains(folder, StringComparison.Ordinal))
                {
                    Process.GetProcessById(int.Parse(Path.GetFileName(process), CultureInfo.InvariantCulture)).Kill();
                }
            }
            catch (Exception problem) when (problem is IOException or ArgumentException or InvalidOperationException)
            {
                // It has ended meanwhile.
            }
        }
    }

    /// <summary>
    /// Leaves a process behind that does the same, and removes the folder, when this process has ended in whatever way.
    /// It is nobody's child, so that who kills a tree of processes does not kill it; it ends with <see cref="End"/>,
    /// because the folder is in its own command line.
    /// </summary>
    public static void EndWithThisProcess(string folder)
    {
        const string watch = """
            tail --pid="$1" -f /dev/null
            for process in /proc/[0-9]*; do
              id=${process#/proc/}
              if [ "$id" != $$ ] && tr '\0' ' ' <"$process/cmdline" 2>/dev/null | grep -qF "$2"; then kill -9 "$id" 2>/dev/null; fi
            done
            rm -rf "$2"
            """;
        using Process start = Process.Start(
            "/bin/sh",
            [
                "-c", "setsid sh -c \"$1\" watch \"$2\" \"$3\" </dev/null >/dev/null 2>&1 &", "start", watch,
                Environment.ProcessId.ToString(CultureInfo.InvariantCulture), folder,
            ]);
        start.WaitForExit();
    }
}
