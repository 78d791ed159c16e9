using System.Threading.Channels;
using Colo.Vmm.Devices.Uart;

namespace Colo.Host.Node;

/// <summary>The serial console of a guest: keeps the last output for whoever attaches, and takes input from them.</summary>
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

    /// <summary>Bytes typed by somebody.</summary>
    public void Type(ReadOnlySpan<byte> bytes) => input?.Invoke(bytes);

    public void Dispose()
    {
    }
}
