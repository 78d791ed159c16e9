using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Colo.EndToEnd.Machine;

/// <summary>
/// A network namespace of its own with one TAP interface in it. Threads enter it for as long as they run something for
/// the test; the kernel takes it away when the last of them has ended and the handle is closed. Needs root.
/// </summary>
internal sealed partial class NetworkNamespace : IDisposable
{
    public const string TapName = "tap0";
    public const string HostAddress = "10.77.0.1";
    public const string GuestAddress = "10.77.0.2";
    private const int NewNetwork = 0x4000_0000;
    private readonly SafeFileHandle _handle;

    public NetworkNamespace()
    {
        SafeFileHandle? handle = null;
        OnNewThread(() =>
        {
            if (Unshare(NewNetwork) != 0)
            {
                throw new InvalidOperationException("a network namespace needs root (CAP_SYS_ADMIN); run the end-to-end tests as root");
            }

            handle = File.OpenHandle("/proc/thread-self/ns/net");
            Ip("link set lo up");
            Ip($"tuntap add {TapName} mode tap");
            Ip($"addr add {HostAddress}/24 dev {TapName}");
            Ip($"link set {TapName} up");
        });
        _handle = handle!;
    }

    /// <summary>
    /// Runs on a thread inside the namespace and waits for the end; exceptions come back. Any number at a time. Nothing
    /// asynchronous may begin there: a thread that the pool makes for it would be born in the namespace and stay, and
    /// run other tests.
    /// </summary>
    public void Run(Action action) => OnNewThread(() =>
    {
        Enter();
        action();
    });

    /// <summary>Brings the calling thread into the namespace, for as long as it lives.</summary>
    public void Enter() => Assert.Equal(0, SetNamespace((int)_handle.DangerousGetHandle(), NewNetwork));

    public T Run<T>(Func<T> function)
    {
        T result = default!;
        Run(() => { result = function(); });
        return result;
    }

    /// <summary>Starts a program inside the namespace.</summary>
    public Process Start(ProcessStartInfo program) => Run(() => Process.Start(program)!);

    public void Dispose() => _handle.Dispose();

    private static void OnNewThread(Action action)
    {
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                action();
            }
            catch (Exception e)
            {
                failure = e;
            }
        });
        thread.Start();
        thread.Join();
        if (failure is not null)
        {
            throw new InvalidOperationException(failure.Message, failure);
        }
    }

    public static void Ip(string arguments) =>
        Execute(File.Exists("/usr/sbin/ip") ? "/usr/sbin/ip" : "/sbin/ip", arguments);

    /// <summary>Runs a program to its end and returns its output. A child process is born in the namespace of the
    /// thread that starts it.</summary>
    public static string Execute(string tool, string arguments)
    {
        if (!File.Exists(tool))
        {
            throw new InvalidOperationException($"the program {tool} is needed: install iproute2");
        }

        using Process process = Process.Start(
            new ProcessStartInfo(tool, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{tool} {arguments}: {error}");
    }

    [LibraryImport("libc", EntryPoint = "unshare", SetLastError = true)]
    private static partial int Unshare(int flags);

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    private static partial int SetNamespace(int descriptor, int kind);
}
