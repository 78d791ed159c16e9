using System.Text;
using Colo.Vmm.Devices.Uart;

namespace Colo.Vmm.Tests.Devices;

/// <summary>A console whose other end is the test.</summary>
internal sealed class RecordingConsole : IConsoleBackend
{
    private readonly StringBuilder _output = new();
    private ConsoleInputHandler? _input;

    public string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    public ConsoleInputHandler? Input
    {
        set => _input = value;
    }

    public void Write(ReadOnlySpan<byte> output)
    {
        lock (_output)
        {
            if (_output.Length < 1 << 20)
            {
                _output.Append(Encoding.Latin1.GetString(output));
            }
        }
    }

    public void Type(string text) => _input?.Invoke(Encoding.Latin1.GetBytes(text));

    public void Dispose()
    {
    }
}
