using System.Runtime.InteropServices;
using System.Text;

namespace Colo.Actors.Arbiter;

/// <summary>
/// Files that are there completely or not at all, also after a power failure: written beside, flushed, put in place by
/// one system call, and then the directory is flushed, because a name that is not durable is not there.
/// </summary>
public static partial class DurableFile
{
    private const int FileExists = 17; // EEXIST
    private const int ReadOnly = 0; // O_RDONLY; O_DIRECTORY has another number on each architecture and is not needed

    /// <summary>Creates the file unless one of this name exists. False: somebody else was first.</summary>
    /// <exception cref="IOException">The outcome is not known.</exception>
    public static bool TryCreate(string directory, string name, string content)
    {
        string beside = BesideOf(directory, name);
        try
        {
            Write(beside, content);
            if (Link(beside, Path.Combine(directory, name)) != 0)
            {
                int error = Marshal.GetLastPInvokeError();
                return error == FileExists ? false : throw new IOException($"link of {name} in {directory}: error {error}");
            }

            FlushDirectory(directory);
            return true;
        }
        finally
        {
            File.Delete(beside);
        }
    }

    /// <summary>Replaces the file; there is the old content or the new one at any moment.</summary>
    /// <exception cref="IOException">The outcome is not known.</exception>
    public static void Replace(string directory, string name, string content)
    {
        string beside = BesideOf(directory, name);
        try
        {
            Write(beside, content);
            File.Move(beside, Path.Combine(directory, name), overwrite: true);
        }
        finally
        {
            File.Delete(beside); // of a full disk, which would have one more with each attempt
        }

        FlushDirectory(directory);
    }

    /// <summary>Makes the names in a directory durable.</summary>
    /// <exception cref="IOException">They may not be.</exception>
    public static void FlushDirectory(string directory)
    {
        int handle = Open(directory, ReadOnly);
        if (handle < 0)
        {
            throw new IOException($"open of {directory}: error {Marshal.GetLastPInvokeError()}");
        }

        int result = Flush(handle);
        int error = Marshal.GetLastPInvokeError();
        _ = Close(handle);
        if (result != 0)
        {
            throw new IOException($"fsync of {directory}: error {error}");
        }
    }

    private static string BesideOf(string directory, string name) =>
        Path.Combine(directory, $".{name}.{Guid.NewGuid():N}");

    private static void Write(string path, string content)
    {
        using FileStream stream = new(path, FileMode.CreateNew, FileAccess.Write, FileShare.None);
        stream.Write(Encoding.UTF8.GetBytes(content));
        stream.Flush(flushToDisk: true);
    }

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string existing, string created);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Flush(int handle);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int handle);
}
