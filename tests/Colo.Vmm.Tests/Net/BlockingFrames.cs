namespace Colo.Vmm.Tests.Net;

/// <summary>Collects frames and says when there are enough.</summary>
internal sealed class BlockingFrames(int expected) : IDisposable
{
    private readonly Lock gate = new();

    public List<byte[]> Frames { get; } = [];

    public ManualResetEventSlim Complete { get; } = new();

    public bool Add(ReadOnlySpan<byte> payload, int vnetHeaderLength)
    {
        lock (gate)
        {
            Frames.Add(payload.ToArray());
            if (Frames.Count == expected)
            {
                Complete.Set();
            }
        }
        return true;
    }

    public void Dispose() => Complete.Dispose();
}
