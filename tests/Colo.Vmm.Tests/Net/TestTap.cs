using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Colo.Vmm.Net;
using Microsoft.Win32.SafeHandles;

namespace Colo.Vmm.Tests.Net;

/// <summary>A network namespace with one TAP card whose other end is this process.</summary>
internal sealed partial class TestTap : IDisposable
{
    private const ulong TunSetInterface = 0x400454CA;
    private const short TapWithoutInformation = 0x1002;
    private const short PollIn = 1;
    private readonly SafeFileHandle handle;
    private readonly Thread reader;
    private volatile bool isClosed;

    public TestTap(string name, string address, string mac, FrameHandler received)
    {
        Name = name;
        handle = File.OpenHandle("/dev/net/tun", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        var request = new byte[40];
        Encoding.ASCII.GetBytes(name).CopyTo(request, 0);
        BitConverter.TryWriteBytes(request.AsSpan(16), TapWithoutInformation);
        Assert.True(Control(handle.DangerousGetHandle().ToInt32(), TunSetInterface, request) == 0, "TUNSETIFF failed: root is needed");
        Ip($"netns add {name}");
        Ip($"link set {name} address {mac} netns {name}");
        Ip($"netns exec {name} sh -c \"echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6\"");
        Ip($"netns exec {name} sh -c \"echo 1 > /proc/sys/net/ipv4/tcp_timestamps\"");
        Ip($"-n {name} addr add {address}/24 dev {name}");
        Ip($"-n {name} link set lo up");
        Ip($"-n {name} link set {name} up");
        reader = new Thread(() => Read(received)) { IsBackground = true };
        reader.Start();
    }

    public string Name { get; }

    public static void Ip(string arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("ip", arguments) { RedirectStandardError = true })
            ?? throw new InvalidOperationException("cannot run ip: install iproute2");
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"ip {arguments}: {error}");
    }

    /// <summary>Starts a program inside the namespace; <c>ip</c> replaces itself by it.</summary>
    public Process Start(string command)
    {
        var words = command.Split(' ');
        return Process.Start(new ProcessStartInfo("ip", $"netns exec {Name} {command}"))
            ?? throw new InvalidOperationException($"cannot run {words[0]}");
    }

    public void Send(ReadOnlySpan<byte> frame) => _ = Write(Descriptor, ref MemoryMarshal.GetReference(frame), (nuint)frame.Length);

    public void Dispose()
    {
        isClosed = true;
        reader.Join();
        handle.Dispose();
        Ip($"netns del {Name}");
    }

    private int Descriptor => handle.DangerousGetHandle().ToInt32();

    private void Read(FrameHandler received)
    {
        var buffer = new byte[70000];
        while (!isClosed)
        {
            var wait = new PollRequest { Descriptor = Descriptor, Events = PollIn };
            if (Poll(ref wait, 1, 50) <= 0)
            {
                continue;
            }
            var count = (int)Read(Descriptor, ref buffer[0], (nuint)buffer.Length);
            if (count > 0)
            {
                received(buffer.AsSpan(0, count));
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(int descriptor, ulong request, [In] byte[] argument);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint Read(int descriptor, ref byte buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint Write(int descriptor, ref readonly byte buffer, nuint count);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(ref PollRequest requests, nuint count, int timeoutMilliseconds);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollRequest
    {
        public int Descriptor;
        public short Events;
        public short Results;
    }
}
