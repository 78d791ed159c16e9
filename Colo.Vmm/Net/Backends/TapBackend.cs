using System.Runtime.InteropServices;
using System.Text;
using Colo.Vmm.Links;

namespace Colo.Vmm.Net.Backends;

/// <summary>
/// A Linux TAP interface (Documentation/networking/tuntap.rst), attached in the network namespace of this process. The
/// interface is created if it does not exist and the process may do so; it then goes with the process. Frames are raw
/// (IFF_NO_PI, no virtio header). A full interface queue drops the frame, as a full cable would.
/// </summary>
public sealed unsafe partial class TapBackend : INetworkBackend
{
    // SAFETY: every pointer below is to a span pinned for the duration of one system call that is given its length.
    private const int NameLengthMax = 15;
    private const int ReadWriteNonBlockingCloseOnExec = 0x2 | 0x800 | 0x80000;
    private const nuint SetInterface = 0x400454ca;
    private const short FlagTap = 0x0002;
    private const short FlagNoPacketInformation = 0x1000;
    private const short PollIn = 1;
    private const short PollErrorHangUpOrInvalid = 0x8 | 0x10 | 0x20;
    private const int FrameSizeMax = 65550;
    private const int InterfaceRequestBytes = 40;
    private const nuint GetFlags = 0x8913;
    private const nuint SetFlags = 0x8914;
    private const short FlagUp = 1;
    private const int InternetFamily = 2;
    private const int DatagramCloseOnExec = 2 | 0x80000;

    private readonly string _name;

    private readonly Descriptor _tap;
    private readonly Descriptor _stop;
    private readonly Thread _reader;
    private volatile FrameHandler? _received;
    private volatile Action? _drained;
    private volatile Action? _lost;
    private volatile bool _disposed;

    /// <exception cref="IOException">The interface cannot be attached; the message says why.</exception>
    public TapBackend(string name)
    {
        int nameLength = Encoding.ASCII.GetByteCount(name);
        if (nameLength is 0 or > NameLengthMax)
        {
            throw new IOException($"TAP interface '{name}': expected a name of 1 to {NameLengthMax} characters");
        }

        _name = name;
        _tap = Open("/dev/net/tun", ReadWriteNonBlockingCloseOnExec);
        // An int of C: what stands above its 32 bits is not part of it.
        if ((int)_tap.DangerousGetHandle() < 0)
        {
            throw new IOException($"TAP interface '{name}': /dev/net/tun: {LastError()}");
        }

        Span<byte> request = stackalloc byte[InterfaceRequestBytes];
        WriteRequest(request, name, FlagTap | FlagNoPacketInformation);
        fixed (byte* pointer = request)
        {
            if (Control(_tap, SetInterface, pointer) < 0)
            {
                string error = LastError();
                _tap.Dispose();
                throw new IOException($"TAP interface '{name}': {error} (create it with 'ip tuntap add {name} mode tap user $USER')");
            }
        }

        _stop = CreateEvent(0, 0x80000);
        _reader = new Thread(ReadLoop) { Name = $"colo tap {name}", IsBackground = true };
        _reader.Start();
    }

    public NetworkBackendMetrics Metrics { get; } = new();

    public FrameHandler? Received
    {
        set => _received = value;
    }

    /// <summary>Called on the interface's own thread when all frames that were there have been handed over.</summary>
    public Action? Drained
    {
        set => _drained = value;
    }

    /// <summary>Called once, on the interface's own thread, when somebody has deleted the interface: nothing comes or
    /// goes any more, and what is sent is dropped. Must not dispose this.</summary>
    public Action? Lost
    {
        set => _lost = value;
    }

    public void Send(ReadOnlySpan<byte> frame)
    {
        if (TryWrite(_tap, frame))
        {
            Metrics.CountSent();
        }
        else
        {
            Metrics.CountDropped();
        }
    }

    /// <summary>Brings the interface up or down, in microseconds where the program <c>ip</c> would need
    /// milliseconds.</summary>
    /// <returns>Null, or what went wrong.</returns>
    public string? TrySetUp(bool isUp)
    {
        using Descriptor control = OpenSocket(InternetFamily, DatagramCloseOnExec, 0);
        Span<byte> request = stackalloc byte[InterfaceRequestBytes];
        WriteRequest(request, _name, 0);
        bool done = false;
        fixed (byte* pointer = request)
        {
            if (!control.IsInvalid && Control(control, GetFlags, pointer) == 0)
            {
                short flags = MemoryMarshal.Read<short>(request[16..]);
                MemoryMarshal.Write(request[16..], (short)(isUp ? flags | FlagUp : flags & ~FlagUp));
                done = Control(control, SetFlags, pointer) == 0;
            }
        }

        return done ? null : $"TAP interface '{_name}' cannot be set {(isUp ? "up" : "down")}: {LastError()}";
    }

    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _ = TryWrite(_stop, BitConverter.GetBytes(1UL));
        _reader.Join();
        _tap.Dispose();
        _stop.Dispose();
    }

    /// <summary>Whether all of it was taken; not once the descriptor is closed.</summary>
    private static bool TryWrite(Descriptor descriptor, ReadOnlySpan<byte> bytes)
    {
        if (!descriptor.TryHold(out int number))
        {
            return false;
        }

        fixed (byte* pointer = bytes)
        {
            bool isTaken = Write(number, pointer, bytes.Length) == bytes.Length;
            descriptor.Release();
            return isTaken;
        }
    }

    /// <summary>struct ifreq: 16 bytes of name, then the flags in a union of 24 bytes.</summary>
    private static void WriteRequest(Span<byte> request, string name, int flags)
    {
        request.Clear();
        Encoding.ASCII.GetBytes(name, request);
        MemoryMarshal.Write(request[16..], (short)flags);
    }

    private void ReadLoop()
    {
        HostThread.Hurry();
        if (_tap.TryHold(out int tap) && _stop.TryHold(out int stop))
        {
            Read(tap, stop);
            _stop.Release();
            _tap.Release();
        }
    }

    private void Read(int tap, int stop)
    {
        var buffer = new byte[FrameSizeMax];
        Span<PollDescriptor> descriptors =
        [
            new PollDescriptor { Descriptor = tap, Events = PollIn },
            new PollDescriptor { Descriptor = stop, Events = PollIn },
        ];
        while (!_disposed)
        {
            fixed (PollDescriptor* pointer = descriptors)
            {
                _ = Poll(pointer, 2, -1);
            }

            while (!_disposed && ReadFrame(tap, buffer) is > 0 and var length)
            {
                Metrics.CountReceived();
                _received?.Invoke(buffer.AsSpan(0, length));
            }

            _drained?.Invoke();
            if ((descriptors[0].Returned & PollErrorHangUpOrInvalid) != 0)
            {
                // From here on each poll would return at once.
                _lost?.Invoke();
                return;
            }
        }
    }

    private static int ReadFrame(int tap, byte[] buffer)
    {
        fixed (byte* pointer = buffer)
        {
            return (int)Read(tap, pointer, buffer.Length);
        }
    }

    private static string LastError() => Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError());

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial Descriptor Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(Descriptor descriptor, nuint request, byte* argument);

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial Descriptor OpenSocket(int family, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "eventfd")]
    private static partial Descriptor CreateEvent(uint initial, int flags);

    [LibraryImport("libc", EntryPoint = "read")]
    private static partial nint Read(int descriptor, byte* buffer, nint count);

    [LibraryImport("libc", EntryPoint = "write")]
    private static partial nint Write(int descriptor, byte* buffer, nint count);

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int Poll(PollDescriptor* descriptors, nuint count, int milliseconds);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }
}
