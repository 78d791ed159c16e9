using Colo.Vmm.Block;

namespace Colo.Vmm.Tests.Block;

/// <summary>A file layer that can't zero a range by itself, as NFS before 4.2 can't, and tells of each write and
/// flush.</summary>
internal sealed class HookedFile(IStorageFile inner) : IStorageFile
{
    /// <summary>Called after each write, on its thread, with its offset and length.</summary>
    public Action<long, int>? Written { get; set; }

    /// <summary>Whether a write to this offset fails.</summary>
    public Func<long, bool>? Refuses { get; set; }

    /// <summary>Called before each flush, on its thread.</summary>
    public Action? Flushing { get; set; }

    public long Length => inner.Length;

    public BlockStatus Read(long offset, Span<byte> destination) => inner.Read(offset, destination);

    public BlockStatus Write(long offset, ReadOnlySpan<byte> source)
    {
        if (Refuses?.Invoke(offset) == true)
        {
            return BlockStatus.IoError;
        }

        var status = inner.Write(offset, source);
        Written?.Invoke(offset, source.Length);
        return status;
    }

    public BlockStatus Flush()
    {
        Flushing?.Invoke();
        return inner.Flush();
    }

    public BlockStatus SetLength(long length) => inner.SetLength(length);

    public BlockStatus ZeroRange(long offset, long length, bool mayUnmap) => BlockStatus.NotSupported;

    public bool IsAllocated(long offset, out long end) => inner.IsAllocated(offset, out end);

    public void Dispose() => inner.Dispose();
}
