namespace Colo.Vmm.Block;

/// <summary>The clusters of one epoch, split by stripe so that one lock guards each part.</summary>
internal sealed class BufferGeneration
{
    public const int Stripes = 16;
    private readonly Dictionary<long, BufferCluster>[] _stripes = new Dictionary<long, BufferCluster>[Stripes];

    public BufferGeneration()
    {
        for (var i = 0; i < Stripes; i++)
        {
            _stripes[i] = [];
        }
    }

    /// <summary>The epoch whose primary writes keep their old sectors here.</summary>
    public ulong Epoch { get; set; }

    public Dictionary<long, BufferCluster> this[int stripe] => _stripes[stripe];

    public static int StripeOf(long cluster) => (int)(cluster & (Stripes - 1));

    public BufferCluster? Find(long cluster) => _stripes[StripeOf(cluster)].GetValueOrDefault(cluster);
}
