using System.Runtime.InteropServices;

namespace Colo.Host.Cli;

/// <summary>
/// The terminal on standard input without line editing, echo and signals, so that every key reaches the guest; put back
/// when disposed, also when the process ends by an exception or a signal. Does nothing when standard input is no
/// terminal.
/// </summary>
internal sealed unsafe partial class RawTerminal : IDisposable
{
    // SAFETY: struct termios has 60 bytes on Linux; the buffers are larger and live as long as this object.
    private const int TermiosSize = 256;
    private readonly byte[] _saved = new byte[TermiosSize];
    private readonly PosixSignalRegistration? _terminated;
    private readonly bool _changed;
    private int _restored;

    public RawTerminal()
    {
        fixed (byte* saved = _saved)
        {
            if (GetAttributes(0, saved) != 0)
            {
                return;
            }

            byte* raw = stackalloc byte[TermiosSize];
            _saved.AsSpan().CopyTo(new Span<byte>(raw, TermiosSize));
            MakeRaw(raw);
            _changed = SetAttributes(0, 0, raw) == 0;
        }

        AppDomain.CurrentDomain.ProcessExit += OnExit;
        _terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, _ => Restore());
    }

    public void Dispose()
    {
        AppDomain.CurrentDomain.ProcessExit -= OnExit;
        _terminated?.Dispose();
        Restore();
    }

    private void OnExit(object? sender, EventArgs e) => Restore();

    private void Restore()
    {
        if (_changed && Interlocked.Exchange(ref _restored, 1) == 0)
        {
            fixed (byte* saved = _saved)
            {
                _ = SetAttributes(0, 0, saved);
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "tcgetattr")]
    private static partial int GetAttributes(int descriptor, byte* attributes);

    [LibraryImport("libc", EntryPoint = "tcsetattr")]
    private static partial int SetAttributes(int descriptor, int actions, byte* attributes);

    [LibraryImport("libc", EntryPoint = "cfmakeraw")]
    private static partial void MakeRaw(byte* attributes);
}
