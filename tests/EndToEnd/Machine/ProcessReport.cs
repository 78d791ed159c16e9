using System.Diagnostics;
using System.Text;

namespace Colo.EndToEnd.Machine;

/// <summary>What a failed test tells about a process that did not do what was expected.</summary>
internal static class ProcessReport
{
    /// <summary>How it ended and what it said; of one that lives, also what each thread does.</summary>
    public static string Of(Process process, string name, string said)
    {
        // One that has just closed its output is about to end.
        if (process.WaitForExit(TimeSpan.FromSeconds(1)))
        {
            return $"{name} ended with code {process.ExitCode}; it said: {said}";
        }

        var text = new StringBuilder($"{name} lives; it said: {said}");
        foreach (string task in Directory.GetDirectories($"/proc/{process.Id}/task"))
        {
            try
            {
                string[] stat = File.ReadAllText(Path.Combine(task, "stat")).Split(')')[^1].Split(' ');
                string thread = File.ReadAllText(Path.Combine(task, "comm")).Trim();
                string place = File.ReadAllText(Path.Combine(task, "wchan"));
                text.Append($"\n  {thread}: state {stat[1]}, user {stat[12]}, system {stat[13]} ticks, waits in {place}");
            }
            catch (IOException)
            {
                // The thread has ended meanwhile.
            }
        }

        return text.ToString();
    }
}
