namespace Colo.Host.Node;

/// <summary>
/// Remembers over a restart of the node which guests were shut down only because the node stopped: they boot again with
/// it.
/// </summary>
internal static class GuestReturn
{
    public static void Remember(string stateDirectory, string vm)
    {
        string folder = Path.Combine(stateDirectory, "restart");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, vm), string.Empty);
    }

    /// <summary>True once for each time it was remembered.</summary>
    public static bool Take(string stateDirectory, string vm)
    {
        string path = Path.Combine(stateDirectory, "restart", vm);
        if (!File.Exists(path))
        {
            return false;
        }

        File.Delete(path);
        return true;
    }
}
