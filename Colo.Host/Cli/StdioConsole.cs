using Colo.Vmm.Devices.Uart;
using Microsoft.Win32.SafeHandles;

namespace Colo.Host.Cli;

/// <summary>The guest's console on this process's standard input and output.</summary>
internal sealed class StdioConsole : IConsoleBackend
{
    private const string Help = "\r\n[colo] Ctrl-A x: end the machine; Ctrl-A Ctrl-A: send Ctrl-A; Ctrl-A c: this text\r\n";
    private readonly Stream _output = Console.OpenStandardOutput();
    private readonly RawTerminal _terminal = new();
    private readonly EscapeFilter _filter;
    private ConsoleInputHandler? _input;

    public StdioConsole(Action quit)
    {
        _filter = new EscapeFilter(quit, () => Console.Error.Write(Help));
        // Blocked in read until the process ends; nothing waits for it.
        new Thread(ReadLoop) { Name = "colo console", IsBackground = true }.Start();
    }

    public ConsoleInputHandler? Input
    {
        set => Volatile.Write(ref _input, value);
    }

    public void Write(ReadOnlySpan<byte> output)
    {
        try
        {
            _output.Write(output);
            _output.Flush();
        }
        catch (IOException)
        {
            // Nobody reads any more (a closed pipe); the guest runs on.
        }
    }

    public void Dispose() => _terminal.Dispose();

    private void ReadLoop()
    {
        // Not the console's own stream: on a terminal that one edits and echoes whole lines by itself.
        using var handle = new SafeFileHandle(0, ownsHandle: false);
        using var input = new FileStream(handle, FileAccess.Read, bufferSize: 0);
        var buffer = new byte[256];
        int got;
        while ((got = input.Read(buffer)) > 0)
        {
            Span<byte> typed = buffer.AsSpan(0, got);
            typed = typed[.._filter.Filter(typed)];
            // A guest that does not read its console fills the queue; what is typed beyond that is lost.
            _ = Volatile.Read(ref _input)?.Invoke(typed);
        }
    }
}
