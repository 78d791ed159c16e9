using System.Text.Json;

namespace Colo.Host.Node;

/// <summary>
/// Records that are kept over restarts: the last ones in memory, all of them in a file of the state directory, one JSON
/// object a line. Not for several threads at once.
/// </summary>
internal sealed class JournalFile<T>
    where T : class
{
    private readonly string path;
    private readonly int kept;
    private readonly List<T> records = [];
    private bool isTorn;

    /// <param name="stateDirectory">Is made if it is not there.</param>
    /// <param name="name">Of the file.</param>
    /// <param name="kept">Records in memory at most.</param>
    public JournalFile(string stateDirectory, string name, int kept)
    {
        Directory.CreateDirectory(stateDirectory);
        path = Path.Combine(stateDirectory, name);
        this.kept = kept;
        Load();
    }

    /// <summary>The last ones, oldest first.</summary>
    public IReadOnlyList<T> Records => records;

    public void Add(T record)
    {
        Keep(record);
        try
        {
            string line = JsonSerializer.Serialize(record, JsonSerializerOptions.Web) + "\n";
            // Behind half a line this one would be unreadable as well.
            File.AppendAllText(path, isTorn ? "\n" + line : line);
            isTorn = false;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            // What is not kept over a restart is no reason to disturb a VM.
        }
    }

    private void Load()
    {
        if (!File.Exists(path))
        {
            return;
        }

        using (FileStream file = File.OpenRead(path))
        {
            isTorn = file.Length > 0 && file.Seek(-1, SeekOrigin.End) >= 0 && file.ReadByte() != '\n';
        }

        foreach (string line in File.ReadLines(path))
        {
            try
            {
                if (JsonSerializer.Deserialize<T>(line, JsonSerializerOptions.Web) is { } record)
                {
                    Keep(record);
                }
            }
            catch (JsonException)
            {
                // A line that was being written when the power went.
            }
        }
    }

    private void Keep(T record)
    {
        records.Add(record);
        if (records.Count > kept)
        {
            records.RemoveAt(0);
        }
    }
}
