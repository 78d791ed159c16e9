using System.Diagnostics;
using System.Globalization;

namespace Colo.Host.Demo;

/// <summary>
/// Processor time that nodes have used: of their guests, and of everything else in them. The guests' from the
/// scheduler's accounts of their threads (<c>/proc/PID/task/TID/schedstat</c>, nanoseconds on a processor first), the
/// rest from what the whole process has used.
/// </summary>
internal readonly record struct HostTimes(double GuestMicroseconds, double OtherMicroseconds)
{
    private static readonly string[] s_guestThreads = ["colo machine", "colo hart"];

    public static HostTimes operator -(HostTimes later, HostTimes earlier) => new(
        later.GuestMicroseconds - earlier.GuestMicroseconds, later.OtherMicroseconds - earlier.OtherMicroseconds);

    public static HostTimes operator +(HostTimes one, HostTimes other) => new(
        one.GuestMicroseconds + other.GuestMicroseconds, one.OtherMicroseconds + other.OtherMicroseconds);

    /// <summary>Until now, over all these nodes; one that is gone counts nothing. Threads that have ended count as
    /// not of the guests, which keep theirs.</summary>
    public static HostTimes Of(IEnumerable<NodeProcess> nodes)
    {
        var sum = default(HostTimes);
        foreach (NodeProcess node in nodes.Where(node => node.IsRunning))
        {
            double guest = Tasks(node).Where(IsGuest).Sum(Microseconds);
            sum += new HostTimes(guest, Math.Max(0, TotalMicroseconds(node) - guest));
        }

        return sum;
    }

    private static bool IsGuest(string task) => TryRead(task, "comm", out string name)
        && Array.Exists(s_guestThreads, prefix => name.StartsWith(prefix, StringComparison.Ordinal));

    private static double Microseconds(string task) => TryRead(task, "schedstat", out string times)
        ? long.Parse(times.AsSpan(0, times.IndexOf(' ')), CultureInfo.InvariantCulture) / 1e3 : 0;

    private static double TotalMicroseconds(NodeProcess node)
    {
        try
        {
            using var process = Process.GetProcessById(node.ProcessId);
            return process.TotalProcessorTime.TotalMicroseconds;
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            return 0; // it has ended meanwhile
        }
    }

    private static string[] Tasks(NodeProcess node)
    {
        try
        {
            return Directory.GetDirectories($"/proc/{node.ProcessId}/task");
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
    }

    private static bool TryRead(string task, string file, out string text)
    {
        try
        {
            text = File.ReadAllText(Path.Combine(task, file));
            return text.Contains(' ', StringComparison.Ordinal) || file == "comm";
        }
        catch (IOException)
        {
            text = "";
            return false;
        }
    }
}
