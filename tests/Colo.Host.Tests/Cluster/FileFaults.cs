using Colo.Vmm.Block;

namespace Colo.Host.Tests.Cluster;

/// <summary>What the files of one node's replicated disks suffer; to be given to <see cref="LoopbackNode.Files"/>. Any
/// thread.</summary>
internal sealed class FileFaults
{
    private readonly ManualResetEventSlim moves = new(true);
    private volatile string full = "none";
    private volatile string stuck = "none";
    private int refused;
    private int waiting;

    /// <summary>Writes that found no room.</summary>
    public int Refused => Volatile.Read(ref refused);

    /// <summary>Writes that wait.</summary>
    public int Waiting => Volatile.Read(ref waiting);

    public IStorageFile Open(string path, FileMode mode) => new Faulty(this, path, new OsFile(path, mode));

    /// <summary>Files with this ending have no room left for what is written from now on.</summary>
    public void Fill(string ending) => full = ending;

    /// <summary>Writes to files with this ending do not return from now on.</summary>
    public void Stick(string ending)
    {
        moves.Reset();
        stuck = ending;
    }

    public void Mend()
    {
        full = stuck = "none";
        moves.Set();
    }

    private sealed class Faulty(FileFaults faults, string path, OsFile inner) : IStorageFile
    {
        public long Length => inner.Length;

        public BlockStatus Read(long offset, Span<byte> destination) => inner.Read(offset, destination);

        public BlockStatus Write(long offset, ReadOnlySpan<byte> source)
        {
            if (path.EndsWith(faults.full, StringComparison.Ordinal))
            {
                Interlocked.Increment(ref faults.refused);
                return BlockStatus.NoSpace;
            }

            if (path.EndsWith(faults.stuck, StringComparison.Ordinal))
            {
                Interlocked.Increment(ref faults.waiting);
                faults.moves.Wait();
            }

            return inner.Write(offset, source);
        }

        public BlockStatus Flush() => inner.Flush();

        public BlockStatus SetLength(long length) => inner.SetLength(length);

        public BlockStatus ZeroRange(long offset, long length, bool mayUnmap) =>
            inner.ZeroRange(offset, length, mayUnmap);

        public bool IsAllocated(long offset, out long end) => inner.IsAllocated(offset, out end);

        public void Dispose() => inner.Dispose();
    }
}
