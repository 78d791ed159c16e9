using System.Runtime.InteropServices;

namespace Colo.Vmm.Block;

/// <summary>Makes a rename or a new file durable: on POSIX systems the directory is a file of its own that has to be synced.</summary>
public static partial class DirectorySync
{
    private const int ReadOnlyDirectoryCloseOnExec = 0x10000 | 0x80000;

    /// <exception cref="IOException">The directory cannot be opened or synced.</exception>
    public static void Flush(string directory)
    {
        int handle = Open(directory, ReadOnlyDirectoryCloseOnExec);
        if (handle < 0)
        {
            throw new IOException($"{directory}: {Marshal.GetLastPInvokeErrorMessage()}");
        }

        bool failed = Sync(handle) < 0;
        string error = failed ? Marshal.GetLastPInvokeErrorMessage() : string.Empty;
        _ = Close(handle);
        if (failed)
        {
            throw new IOException($"{directory}: {error}");
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Sync(int handle);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int handle);
}
