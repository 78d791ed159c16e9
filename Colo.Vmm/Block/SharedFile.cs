namespace Colo.Vmm.Block;

/// <summary>
/// A file or block device that two hosts open at the same time. What this host writes is on the storage when the call
/// returns; what it reads comes from the storage, not from what its kernel has kept, unless <see cref="MayCache"/>.
/// </summary>
public sealed class SharedFile : IStorageFile
{
    private readonly OsFile _file;
    private volatile bool _mayCache;

    /// <summary>Opens it. Throws the framework's exceptions when that fails.</summary>
    public SharedFile(string path) => _file = new OsFile(path, writeThrough: true);

    /// <summary>Whether only this host changes the file now. Set to true it forgets what was kept before.</summary>
    public bool MayCache
    {
        get => _mayCache;
        set
        {
            if (value && !_mayCache)
            {
                _file.ForgetCached(0, 0);
            }

            _mayCache = value;
        }
    }

    /// <inheritdoc/>
    public long Length => _file.Length;

    /// <inheritdoc/>
    public BlockStatus Read(long offset, Span<byte> destination)
    {
        if (!_mayCache)
        {
            _file.ForgetCached(offset, destination.Length);
        }

        return _file.Read(offset, destination);
    }

    /// <inheritdoc/>
    public BlockStatus Write(long offset, ReadOnlySpan<byte> source) => _file.Write(offset, source);

    /// <inheritdoc/>
    public BlockStatus Flush() => _file.Flush();

    /// <inheritdoc/>
    public BlockStatus SetLength(long length) => _file.SetLength(length);

    /// <inheritdoc/>
    public BlockStatus ZeroRange(long offset, long length, bool mayUnmap)
    {
        var status = _file.ZeroRange(offset, length, mayUnmap);
        return status == BlockStatus.Ok ? _file.Flush() : status;
    }

    /// <summary>Always true: where the holes are may have changed on the other host.</summary>
    public bool IsAllocated(long offset, out long end)
    {
        end = Length;
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
