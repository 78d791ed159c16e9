using System.Threading.Channels;
using Colo.Vmm.Devices.Uart;

namespace Colo.Host.Node;

/// <summary>The serial console of a guest: keeps the last output for whoever attaches, and takes input from
/// them.</summary>
public sealed class SerialConsole : IConsoleBackend
{
    private const int KeptBytes = 64 << 10;
    private readonly Lock gate = new();
    private readonly Queue<byte> kept = new();
    private readonly List<Channel<byte[]>> listeners = [];
    private ConsoleInputHandler? input;

    public ConsoleInputHandler? Input
    {
        set => input = value;
    }

    public void Write(ReadOnlySpan<byte> output)
    {
        lock (gate)
        {
            foreach (byte value in output)
            {
                kept.Enqueue(value);
                if (kept.Count > KeptBytes)
                {
                    kept.Dequeue();
                }
            }

            if (listeners.Count > 0)
            {
                byte[] copy = output.ToArray();
                listeners.ForEach(listener => listener.Writer.TryWrite(copy));
            }
        }
    }

    /// <summary>What the guest has printed lately.</summary>
    public byte[] Tail()
    {
        lock (gate)
        {
            return [.. kept];
        }
    }

    /// <summary>What the guest has printed lately, then what it prints from now on; nothing between is left
    /// out.</summary>
    public async IAsyncEnumerable<byte[]> Follow(
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        // A listener that does not read loses the oldest; the guest never waits for it.
        Channel<byte[]> channel = Channel.CreateBounded<byte[]>(
            new BoundedChannelOptions(4096) { FullMode = BoundedChannelFullMode.DropOldest });
        byte[] tail;
        lock (gate)
        {
            tail = [.. kept];
            listeners.Add(channel);
        }

        try
        {
            yield return tail;
            await foreach (byte[] output in channel.Reader.ReadAllAsync(cancellation).ConfigureAwait(false))
            {
                yield return output;
            }
        }
        finally
        {
            lock (gate)
            {
                listeners.Remove(channel);
            }
        }
    }

    /// <summary>Bytes typed by somebody.</summary>
    public void Type(ReadOnlySpan<byte> bytes) => input?.Invoke(bytes);

    public void Dispose()
    {
    }
}
