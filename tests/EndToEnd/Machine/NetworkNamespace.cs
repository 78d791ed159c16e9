using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Colo.EndToEnd.Machine;

/// <summary>
/// A network namespace of its own with one TAP interface in it. A thread lives in it and runs what the test hands over; the
/// kernel takes namespace and interface away when the thread ends and all descriptors are closed. Needs root.
/// </summary>
internal sealed partial class NetworkNamespace : IDisposable
{
    public const string TapName = "tap0";
    public const string HostAddress = "10.77.0.1";
    public const string GuestAddress = "10.77.0.2";
    private const int NewNetwork = 0x4000_0000;
    private readonly BlockingCollection<Action> _work = [];
    private readonly Thread _thread;

    public NetworkNamespace()
    {
        _thread = new Thread(Loop) { IsBackground = true };
        _thread.Start();
        Run(() =>
        {
            if (Unshare(NewNetwork) != 0)
            {
                throw new InvalidOperationException("a network namespace needs root (CAP_SYS_ADMIN); run the end-to-end tests as root");
            }

            Ip("link set lo up");
            Ip($"tuntap add {TapName} mode tap");
            Ip($"addr add {HostAddress}/24 dev {TapName}");
            Ip($"link set {TapName} up");
        });
    }

    /// <summary>Runs on a thread inside the namespace and waits for the end; exceptions come back.</summary>
    public void Run(Action action)
    {
        using var done = new ManualResetEventSlim();
        Exception? failure = null;
        _work.Add(() =>
        {
            try
            {
                action();
            }
            catch (Exception e)
            {
                failure = e;
            }

            done.Set();
        });
        done.Wait();
        if (failure is not null)
        {
            throw new InvalidOperationException(failure.Message, failure);
        }
    }

    public T Run<T>(Func<T> function)
    {
        T result = default!;
        Run(() => { result = function(); });
        return result;
    }

    public void Dispose()
    {
        _work.CompleteAdding();
        _thread.Join();
        _work.Dispose();
    }

    private static void Ip(string arguments)
    {
        string tool = File.Exists("/usr/sbin/ip") ? "/usr/sbin/ip" : "/sbin/ip";
        if (!File.Exists(tool))
        {
            throw new InvalidOperationException("the program ip is needed: install iproute2");
        }

        // A child process is born in the namespace of the thread that starts it.
        using Process process = Process.Start(new ProcessStartInfo(tool, arguments) { RedirectStandardError = true })!;
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"ip {arguments}: {error}");
        }
    }

    private void Loop()
    {
        foreach (Action action in _work.GetConsumingEnumerable())
        {
            action();
        }
    }

    [LibraryImport("libc", EntryPoint = "unshare", SetLastError = true)]
    private static partial int Unshare(int flags);
}
