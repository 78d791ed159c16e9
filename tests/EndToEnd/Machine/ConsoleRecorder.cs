using System.Text;
using Colo.Vmm.Devices.Uart;

namespace Colo.EndToEnd.Machine;

/// <summary>A guest's console: keeps what was printed, waits for a text, types.</summary>
internal sealed class ConsoleRecorder : IConsoleBackend
{
    private readonly StringBuilder _text = new();
    private ConsoleInputHandler? _input;
    private bool _closed;

    /// <summary>What is known of the machine when its console fails a test.</summary>
    public Func<string> Describe { private get; init; } = () => "";

    public ConsoleInputHandler? Input
    {
        set => _input = value;
    }

    public string Text
    {
        get
        {
            lock (_text)
            {
                return _text.ToString();
            }
        }
    }

    public void Write(ReadOnlySpan<byte> output)
    {
        lock (_text)
        {
            _text.Append(Encoding.Latin1.GetString(output));
            System.Threading.Monitor.PulseAll(_text);
        }
    }

    /// <summary>Nothing more will come: whoever waits need not wait longer.</summary>
    public void Close()
    {
        lock (_text)
        {
            _closed = true;
            System.Threading.Monitor.PulseAll(_text);
        }
    }

    public void Type(string text) => _input?.Invoke(Encoding.Latin1.GetBytes(text));

    /// <summary>Waits until the console has shown the text; fails with the end of the output.</summary>
    public void WaitFor(string expected, TimeSpan limit)
    {
        DateTime end = DateTime.UtcNow + limit;
        lock (_text)
        {
            while (!_text.ToString().Contains(expected, StringComparison.Ordinal))
            {
                TimeSpan left = end - DateTime.UtcNow;
                if (_closed || left <= TimeSpan.Zero || !System.Threading.Monitor.Wait(_text, left))
                {
                    string text = _text.ToString();
                    string when = _closed ? "before it ended" : $"within {limit}";
                    Assert.Fail(
                        $"console did not show '{expected}' {when}; it ends with:\n"
                        + $"{text[Math.Max(0, text.Length - 3000)..]}\n{Describe()}");
                }
            }
        }
    }

    public void Dispose()
    {
    }
}
