using Colo.Vmm.Devices.Uart;

namespace Colo.Host.Cli;

/// <summary>The guest's console on this process's standard input and output.</summary>
internal sealed class StdioConsole : IConsoleBackend
{
    private const string Help = "\r\n[colo] Ctrl-A x: end the machine; Ctrl-A Ctrl-A: send Ctrl-A; Ctrl-A c: this text\r\n";
    private readonly Stream _output = Console.OpenStandardOutput();
    private readonly TypedKeys _keys;
    private ConsoleInputHandler? _input;

    // A guest that does not read its console fills the queue; what is typed beyond that is lost.
    public StdioConsole(Action quit) => _keys = new TypedKeys(
        quit, () => Console.Error.Write(Help), typed => _ = Volatile.Read(ref _input)?.Invoke(typed));

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

    public void Dispose() => _keys.Dispose();
}
