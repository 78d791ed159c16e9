using Microsoft.Win32.SafeHandles;

namespace Colo.Actors.Arbiter;

/// <summary>Makes a rename durable: on POSIX systems the directory is a file of its own that has to be synced.</summary>
internal static class DirectorySync
{
    public static void Flush(string directory)
    {
        using SafeFileHandle handle = File.OpenHandle(directory, FileMode.Open, FileAccess.Read);
        RandomAccess.FlushToDisk(handle);
    }
}
