using System.Globalization;

namespace Colo.Host.Demo;

/// <summary>
/// Processor time that nodes have used: of their guests, and of everything else in them. From the scheduler's accounts
/// (<c>/proc/PID/task/TID/schedstat</c>, nanoseconds on a processor first).
/// </summary>
internal readonly record struct HostTimes(double GuestMicroseconds, double OtherMicroseconds)
{
    private static readonly string[] s_guestThreads = ["colo machine", "colo hart"];

    public static HostTimes operator -(HostTimes later, HostTimes earlier) => new(
        later.GuestMicroseconds - earlier.GuestMicroseconds, later.OtherMicroseconds - earlier.OtherMicroseconds);

    public static HostTimes operator +(HostTimes one, HostTimes other) => new(
        one.GuestMicroseconds + other.GuestMicroseconds, one.OtherMicroseconds + other.OtherMicroseconds);

    /// <summary>Until now, over all these nodes; one that is gone counts nothing.</summary>
    public static HostTimes Of(IEnumerable<NodeProcess> nodes)
    {
        double guest = 0;
        double other = 0;
        foreach (string task in nodes.Where(node => node.IsRunning).SelectMany(Tasks))
        {
            if (!TryRead(task, "comm", out string name) || !TryRead(task, "schedstat", out string times))
            {
                continue; // the thread has ended meanwhile
            }

            double microseconds = long.Parse(times.AsSpan(0, times.IndexOf(' ')), CultureInfo.InvariantCulture) / 1e3;
            bool isGuest = Array.Exists(s_guestThreads, prefix => name.StartsWith(prefix, StringComparison.Ordinal));
            (guest, other) = isGuest ? (guest + microseconds, other) : (guest, other + microseconds);
        }

        return new HostTimes(guest, other);
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
