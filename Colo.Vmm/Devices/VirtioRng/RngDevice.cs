using Colo.Vmm.Devices.Virtio;

namespace Colo.Vmm.Devices.VirtioRng;

/// <summary>Virtio entropy device (virtio 1.2, section 5.4): fills the guest's buffers, at most 64 KiB a
/// request.</summary>
internal sealed class RngDevice(IEntropySource source) : IVirtioFunction
{
    private const int RequestMax = 65536;
    private readonly byte[] _buffer = new byte[4096];
    private readonly DescriptorChain _chain = new();
    private IVirtioTransport _transport = null!;

    public RngMetrics Metrics { get; } = new();

    public uint DeviceId => 4;

    public ulong Features => 0;

    public int QueueCount => 1;

    public ReadOnlySpan<byte> Config => default;

    public int RequestsInFlight => 0;

    public ushort StateVersion => 1;

    public void Attach(IVirtioTransport transport) => _transport = transport;

    public void Start(ulong features)
    {
    }

    public void Notify(int queueIndex)
    {
        Virtqueue queue = _transport.Queue(0);
        PopResult result;
        do
        {
            while ((result = queue.TryPop(_chain)) == PopResult.Chain)
            {
                if (_chain.WritableLength == 0)
                {
                    _transport.Break("entropy request without a writable buffer");
                    return;
                }

                queue.Push(_chain.Head, Fill());
            }
        }
        while (result == PopResult.Empty && queue.RequestNotification());
        if (result == PopResult.Broken)
        {
            _transport.Break(queue.Fault);
            return;
        }

        _transport.Signal(queue);
    }

    public void Service()
    {
    }

    public void Reset()
    {
    }

    public void Save(StateWriter writer) => writer.UInt64(source.Position);

    public DeviceState? Decode(ref StateReader reader, ushort version)
    {
        ulong position = reader.UInt64("rng.position");
        return reader.Failed ? null : new RngState(position);
    }

    public void Restore(DeviceState state) => source.Position = ((RngState)state).Position;

    private uint Fill()
    {
        int total = (int)Math.Min(_chain.WritableLength, RequestMax);
        for (int done = 0; done < total; done += _buffer.Length)
        {
            Span<byte> piece = _buffer.AsSpan(0, Math.Min(_buffer.Length, total - done));
            source.Fill(piece);
            _chain.TryWrite(_transport.Ram, (ulong)done, piece);
        }

        Metrics.Requests++;
        Metrics.Bytes += total;
        return (uint)total;
    }
}
