namespace Colo.Vmm.Devices.Uart;

/// <summary>Called with bytes typed at the console; returns how many were taken.</summary>
public delegate int ConsoleInputHandler(ReadOnlySpan<byte> input);

/// <summary>The other end of a serial line or virtio console: a terminal, a file, nothing.</summary>
public interface IConsoleBackend : IDisposable
{
    /// <summary>Output of the guest. Called on the machine's thread; must not block for long.</summary>
    void Write(ReadOnlySpan<byte> output);

    /// <summary>Where input goes; may be called from any thread once set.</summary>
    ConsoleInputHandler? Input { set; }
}
