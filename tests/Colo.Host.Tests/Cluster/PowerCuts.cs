using System.Collections.Concurrent;
using Colo.Vmm.Block;

namespace Colo.Host.Tests.Cluster;

/// <summary>
/// The files of one node's replicated disks on a medium that loses power: what was not flushed is lost or torn, and
/// what the former life of the node does afterwards does not happen. To be given to <see cref="LoopbackNode.Files"/>.
/// </summary>
internal sealed class PowerCuts(int seed)
{
    private readonly ConcurrentDictionary<string, LossyFile> files = new();
    private readonly ReaderWriterLockSlim power = new();
    private int life;

    public IStorageFile Open(string path, FileMode mode) => new InOneLife(this, files.GetOrAdd(
        path, _ => new LossyFile(seed + files.Count, File.Exists(path) ? File.ReadAllBytes(path) : [])));

    /// <summary>Everything that was open is of a former life when it returns.</summary>
    public void Cut()
    {
        power.EnterWriteLock();
        life++;
        foreach (LossyFile file in files.Values)
        {
            file.Crash();
        }

        power.ExitWriteLock();
    }

    public byte[] Content(string path) => files[path].Snapshot();

    private sealed class InOneLife(PowerCuts cuts, LossyFile file) : IStorageFile
    {
        private readonly int born = cuts.life;

        public long Length => file.Length;

        public BlockStatus Read(long offset, Span<byte> destination)
        {
            cuts.power.EnterReadLock();
            BlockStatus status = born == cuts.life ? file.Read(offset, destination) : BlockStatus.IoError;
            cuts.power.ExitReadLock();
            return status;
        }

        public BlockStatus Write(long offset, ReadOnlySpan<byte> source)
        {
            cuts.power.EnterReadLock();
            BlockStatus status = born == cuts.life ? file.Write(offset, source) : BlockStatus.IoError;
            cuts.power.ExitReadLock();
            return status;
        }

        public BlockStatus Flush() => Change(file.Flush);

        public BlockStatus SetLength(long length) => Change(() => file.SetLength(length));

        public BlockStatus ZeroRange(long offset, long length, bool mayUnmap) =>
            Change(() => file.ZeroRange(offset, length, mayUnmap));

        public bool IsAllocated(long offset, out long end) => file.IsAllocated(offset, out end);

        public void Dispose() => file.Dispose();

        private BlockStatus Change(Func<BlockStatus> change)
        {
            cuts.power.EnterReadLock();
            BlockStatus status = born == cuts.life ? change() : BlockStatus.IoError;
            cuts.power.ExitReadLock();
            return status;
        }
    }
}
