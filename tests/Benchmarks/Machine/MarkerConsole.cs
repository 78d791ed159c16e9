using System.Text;
using Colo.Vmm.Devices.Uart;

namespace Colo.Benchmarks.Machine;

/// <summary>Tells when a text has appeared on the guest's console.</summary>
internal sealed class MarkerConsole(string marker) : IConsoleBackend
{
    private readonly StringBuilder _line = new();

    public TaskCompletionSource Seen { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ConsoleInputHandler? Input
    {
        set => _ = value;
    }

    public void Write(ReadOnlySpan<byte> output)
    {
        foreach (byte b in output)
        {
            if (b != '\n')
            {
                _line.Append((char)b);
                continue;
            }

            if (_line.ToString().Contains(marker, StringComparison.Ordinal))
            {
                Seen.TrySetResult();
            }

            _line.Clear();
        }
    }

    public void Dispose()
    {
    }
}
