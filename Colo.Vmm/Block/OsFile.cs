using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Colo.Vmm.Block;

/// <summary>A file of the operating system, accessed by position; <see cref="Flush"/> is fdatasync(2).</summary>
public sealed partial class OsFile : IStorageFile
{
    private const int KeepSize = 1;
    private const int PunchHole = 2;
    private const int ZeroRangeMode = 0x10;
    private const int SeekData = 3;
    private const int SeekHole = 4;
    private const int DoNotNeed = 4;
    private const int ErrorInterrupted = 4;
    private const int ErrorNoSpace = 28;
    private const int ErrorNotSupported = 95;
    private const int ErrorNoSuchAddress = 6;

    private readonly SafeFileHandle _handle;

    /// <summary>Opens a file or a block device. Throws the framework's exceptions when that fails. With
    /// <paramref name="writeThrough"/> a write is on the storage, for every host to see, when it returns.</summary>
    public OsFile(string path, FileMode mode = FileMode.Open, bool readOnly = false, bool writeThrough = false)
    {
        Path = path;
        _handle = File.OpenHandle(
            path, mode, readOnly ? FileAccess.Read : FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete,
            writeThrough ? FileOptions.WriteThrough : FileOptions.None);
        var length = RandomAccess.GetLength(_handle);
        if (length == 0 && !readOnly && mode == FileMode.Open)
        {
            // A block device has no length of its own; its end is where a seek ends.
            length = Math.Max(0, SeekTo(_handle, 0, 2));
        }

        _length = length;
    }

    /// <summary>Where it was opened.</summary>
    public string Path { get; }

    /// <inheritdoc/>
    public long Length => Volatile.Read(ref _length);

    private long _length;

    /// <inheritdoc/>
    public BlockStatus Read(long offset, Span<byte> destination)
    {
        try
        {
            while (destination.Length > 0)
            {
                var count = RandomAccess.Read(_handle, destination, offset);
                if (count == 0)
                {
                    destination.Clear();
                    return BlockStatus.Ok;
                }

                offset += count;
                destination = destination[count..];
            }

            return BlockStatus.Ok;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            return BlockStatus.IoError;
        }
    }

    /// <inheritdoc/>
    public BlockStatus Write(long offset, ReadOnlySpan<byte> source)
    {
        try
        {
            RandomAccess.Write(_handle, source, offset);
            GrowTo(offset + source.Length);
            return BlockStatus.Ok;
        }
        catch (IOException error)
        {
            // .NET puts errno into the HResult of an IOException on Unix.
            return error.HResult == ErrorNoSpace ? BlockStatus.NoSpace : BlockStatus.IoError;
        }
        catch (Exception error) when (error is UnauthorizedAccessException or ObjectDisposedException)
        {
            return BlockStatus.IoError;
        }
    }

    /// <inheritdoc/>
    public BlockStatus Flush()
    {
        try
        {
            while (DataSync(_handle) != 0)
            {
                if (Marshal.GetLastPInvokeError() != ErrorInterrupted)
                {
                    return BlockStatus.IoError;
                }
            }

            return BlockStatus.Ok;
        }
        catch (ObjectDisposedException)
        {
            return BlockStatus.IoError;
        }
    }

    /// <inheritdoc/>
    public BlockStatus SetLength(long length)
    {
        try
        {
            RandomAccess.SetLength(_handle, length);
            Volatile.Write(ref _length, length);
            return BlockStatus.Ok;
        }
        catch (IOException error)
        {
            return error.HResult == ErrorNoSpace ? BlockStatus.NoSpace : BlockStatus.IoError;
        }
        catch (Exception error) when (error is UnauthorizedAccessException or ObjectDisposedException)
        {
            return BlockStatus.IoError;
        }
    }

    /// <summary>What this host has kept of the range is not answered from memory: another host may have changed
    /// it.</summary>
    public void ForgetCached(long offset, long length)
    {
        try
        {
            _ = Advise(_handle, offset, length, DoNotNeed);
        }
        catch (ObjectDisposedException)
        {
            // Nothing of it is read any more.
        }
    }

    /// <summary>Allocates the space of the range now, so that a later write can't fail for want of it.</summary>
    public BlockStatus Preallocate(long length) => Allocate(0, 0, length);

    /// <inheritdoc/>
    public BlockStatus ZeroRange(long offset, long length, bool mayUnmap)
    {
        if (length == 0)
        {
            return BlockStatus.Ok;
        }

        if (mayUnmap)
        {
            var status = Allocate(PunchHole | KeepSize, offset, length);
            if (status != BlockStatus.NotSupported)
            {
                return status;
            }
        }

        return Allocate(ZeroRangeMode | KeepSize, offset, length);
    }

    /// <inheritdoc/>
    public bool IsAllocated(long offset, out long end)
    {
        var length = Length;
        end = length;
        try
        {
            var data = SeekTo(_handle, offset, SeekData);
            if (data < 0)
            {
                // ENXIO: only a hole remains. Anything else: the file system can't tell, so it is data.
                return Marshal.GetLastPInvokeError() != ErrorNoSuchAddress;
            }

            if (data > offset)
            {
                end = Math.Min(data, length);
                return false;
            }

            var hole = SeekTo(_handle, offset, SeekHole);
            end = hole > offset ? Math.Min(hole, length) : length;
            return true;
        }
        catch (ObjectDisposedException)
        {
            return true;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    private BlockStatus Allocate(int mode, long offset, long length)
    {
        try
        {
            while (FileAllocate(_handle, mode, offset, length) != 0)
            {
                switch (Marshal.GetLastPInvokeError())
                {
                    case ErrorInterrupted:
                        continue;
                    case ErrorNoSpace:
                        return BlockStatus.NoSpace;
                    case ErrorNotSupported or 38 or 22 or 19:
                        // EOPNOTSUPP, ENOSYS, EINVAL, ENODEV: this kind of file can't.
                        return BlockStatus.NotSupported;
                    default:
                        return BlockStatus.IoError;
                }
            }

            return BlockStatus.Ok;
        }
        catch (ObjectDisposedException)
        {
            return BlockStatus.IoError;
        }
    }

    private void GrowTo(long end)
    {
        var known = Volatile.Read(ref _length);
        while (end > known)
        {
            var seen = Interlocked.CompareExchange(ref _length, end, known);
            if (seen == known)
            {
                return;
            }

            known = seen;
        }
    }

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    private static partial int DataSync(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int Advise(SafeFileHandle file, long offset, long length, int advice);

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    private static partial int FileAllocate(SafeFileHandle file, int mode, long offset, long length);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    private static partial long SeekTo(SafeFileHandle file, long offset, int whence);
}
