using Colo.Vmm.Devices.Uart;

namespace Colo.Host.Cli;

/// <summary>A console whose output goes to a file; there is no input.</summary>
internal sealed class FileConsole(string path) : IConsoleBackend
{
    private readonly FileStream _file = new(path, FileMode.Create, FileAccess.Write, FileShare.ReadWrite, 0);

    public ConsoleInputHandler? Input
    {
        set => _ = value;
    }

    public void Write(ReadOnlySpan<byte> output) => _file.Write(output);

    public void Dispose() => _file.Dispose();
}
