namespace Colo.Vmm.Block;

/// <summary>The parts of a range, cluster by cluster, for foreach.</summary>
internal ref struct ClusterPieces(long offset, long length)
{
    private readonly long _start = offset;
    private long _next = offset;
    private long _left = length;

    public ClusterPiece Current { get; private set; }

    public readonly ClusterPieces GetEnumerator() => this;

    public bool MoveNext()
    {
        if (_left <= 0)
        {
            return false;
        }

        var inCluster = (int)(_next % BufferCluster.Size);
        var length = (int)Math.Min(_left, BufferCluster.Size - inCluster);
        Current = new ClusterPiece(_next, (int)Math.Min(int.MaxValue, _next - _start), length);
        _next += length;
        _left -= length;
        return true;
    }
}
