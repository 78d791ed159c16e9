using Microsoft.Win32.SafeHandles;

namespace Colo.Host.Cli;

/// <summary>Takes what was typed; valid during the call.</summary>
internal delegate void TypedHandler(ReadOnlySpan<byte> keys);

/// <summary>
/// What is typed on standard input, without the escape key's commands. A terminal there is raw until this is disposed,
/// and its keys come one by one. An end of the input, and an input that cannot be read, are the same: nothing more
/// comes.
/// </summary>
internal sealed class TypedKeys : IDisposable
{
    private readonly RawTerminal _terminal = new();
    private readonly EscapeFilter _filter;
    private readonly TypedHandler _typed;
    private readonly Action? _ended;

    /// <param name="quit">The escape key's x; on the reading thread, as the others are.</param>
    /// <param name="help">The escape key's c.</param>
    /// <param name="typed">Everything else.</param>
    /// <param name="ended">The input has ended, or there is none.</param>
    public TypedKeys(Action quit, Action help, TypedHandler typed, Action? ended = null)
    {
        _filter = new EscapeFilter(quit, help);
        _typed = typed;
        _ended = ended;
        // Blocked in read until the process ends; nothing waits for it.
        new Thread(Read) { Name = "colo console", IsBackground = true }.Start();
    }

    public void Dispose() => _terminal.Dispose();

    private void Read()
    {
        try
        {
            // Not the console's own stream: on a terminal that one edits and echoes whole lines by itself.
            using var handle = new SafeFileHandle(0, ownsHandle: false);
            using var input = new FileStream(handle, FileAccess.Read, bufferSize: 0);
            byte[] buffer = new byte[256];
            int got;
            while ((got = input.Read(buffer)) > 0)
            {
                Span<byte> typed = buffer.AsSpan(0, got);
                typed = typed[.._filter.Filter(typed)];
                if (!typed.IsEmpty)
                {
                    _typed(typed);
                }
            }
        }
        catch (Exception e) when (e is IOException or ArgumentException or UnauthorizedAccessException)
        {
            // Standard input is closed, is a folder, or its terminal has hung up.
        }

        _ended?.Invoke();
    }
}
