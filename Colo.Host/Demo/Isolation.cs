using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Colo.Host.Demo;

/// <summary>
/// Runs this program again inside network, mount and PID namespaces of its own; without root inside a user namespace
/// too, where the system permits it.
/// <code>
/// outer process -- unshare -- inner process (process 1 of its namespace) -- nodes, clients, ip, mount, ...
/// </code>
/// When the inner process ends, for whatever reason, the kernel ends all that it has started and removes their network.
/// The inner one ends by itself when the outer is gone: its standard input is a pipe from there. The outer one removes
/// the temporary files; only if it was killed the inner one does.
/// </summary>
public static partial class Isolation
{
    private const string Marker = "COLO_ISOLATED";
    private const string TemporaryFolder = "TMPDIR";
    private const int KillSignal = 9;
    private const int DeleteAttempts = 100;

    /// <summary>How long an interrupted run may take to end.</summary>
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan DeleteRetry = TimeSpan.FromMilliseconds(50);

    /// <summary>Whether this process already is the inner one.</summary>
    public static bool IsInside => Environment.GetEnvironmentVariable(Marker) == "1";

    /// <summary>Runs this same program isolated and waits for it.</summary>
    /// <returns>Its exit code, or 128 and the number of the signal that ended this process's wait.</returns>
    /// <exception cref="InvalidOperationException">The system permits no such namespaces.</exception>
    public static int RunSelf(IEnumerable<string> arguments)
    {
        string self = Environment.ProcessPath
            ?? throw new InvalidOperationException("the path of this program is unknown");
        string[] options = FindOptions();
        string temporary = Directory.CreateTempSubdirectory("colo-run-").FullName;
        try
        {
            ProcessStartInfo start = Command(options, self, arguments);
            start.Environment[Marker] = "1";
            start.Environment[TemporaryFolder] = temporary;
            start.RedirectStandardInput = true;
            return Run(start);
        }
        finally
        {
            _ = TryDelete(temporary);
        }
    }

    /// <summary>
    /// Inner process: does the work, unless a signal comes or the outer process ends; then ends at once, and everything
    /// that it has started with it.
    /// </summary>
    public static async Task<int> GuardAsync(Func<Task<int>> work)
    {
        var asked = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        using PosixSignalRegistration interrupt = On(PosixSignal.SIGINT);
        using PosixSignalRegistration terminate = On(PosixSignal.SIGTERM);
        using PosixSignalRegistration hangUp = On(PosixSignal.SIGHUP);
        new Thread(() =>
        {
            using Stream outer = Console.OpenStandardInput();
            while (outer.ReadByte() >= 0)
            {
                // Nobody writes there.
            }

            asked.TrySetResult(0);
        })
        { IsBackground = true, Name = "colo outer" }.Start();

        Task<int> working = Task.Run(work);
        if (await Task.WhenAny(working, asked.Task).ConfigureAwait(false) == working)
        {
            return await working.ConfigureAwait(false);
        }

        // Nothing is ended in order: all other processes of this namespace are ended now, and this one next.
        _ = Kill(-1, KillSignal);
        int signal = await asked.Task.ConfigureAwait(false);
        if (signal == 0 && Environment.GetEnvironmentVariable(TemporaryFolder) is { Length: > 0 } folder)
        {
            // What is being ended may write once more.
            for (int attempt = 1; !TryDelete(folder) && attempt < DeleteAttempts; attempt++)
            {
                await Task.Delay(DeleteRetry).ConfigureAwait(false);
            }
        }

        Environment.Exit(128 + signal);
        return 0;

        PosixSignalRegistration On(PosixSignal wanted) => PosixSignalRegistration.Create(wanted, context =>
        {
            context.Cancel = true;
            asked.TrySetResult(NumberOf(wanted));
        });
    }

    /// <summary>Signals are expected before there is anything to end.</summary>
    private static int Run(ProcessStartInfo start)
    {
        int signal = 0;
        var gate = new Lock();
        Process? process = null;
        using PosixSignalRegistration interrupt = On(PosixSignal.SIGINT);
        using PosixSignalRegistration terminate = On(PosixSignal.SIGTERM);
        using PosixSignalRegistration hangUp = On(PosixSignal.SIGHUP);
        lock (gate)
        {
            process = Process.Start(start) ?? throw new InvalidOperationException("unshare could not be started");
            if (signal != 0)
            {
                End(process);
            }
        }

        using (process)
        {
            process.WaitForExit();
            return signal == 0 ? process.ExitCode : 128 + signal;
        }

        PosixSignalRegistration On(PosixSignal wanted) => PosixSignalRegistration.Create(wanted, context =>
        {
            context.Cancel = true;
            lock (gate)
            {
                bool again = signal != 0;
                signal = again ? signal : NumberOf(wanted);
                if (again)
                {
                    process?.Kill(); // asked twice; unshare takes the inner process with it
                }
                else if (process is not null)
                {
                    End(process);
                }
            }
        });

        static void End(Process process)
        {
            Console.Error.WriteLine("colo: interrupted; ending what runs, removing what was made");
            process.StandardInput.Close();
            _ = Task.Delay(EndLimit).ContinueWith(_ => process.Kill(), TaskScheduler.Default);
        }
    }

    private static int NumberOf(PosixSignal signal) => signal switch
    {
        PosixSignal.SIGHUP => 1,
        PosixSignal.SIGINT => 2,
        _ => 15,
    };

    private static ProcessStartInfo Command(
        IEnumerable<string> options, string program, IEnumerable<string> arguments) =>
        new("unshare", [.. options, "--", program, .. arguments]) { UseShellExecute = false };

    /// <summary>The options of unshare that this system permits: as root without a user namespace if
    /// possible.</summary>
    private static string[] FindOptions()
    {
        string[] plain = ["--net", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc"];
        string[] asUser = ["--user", "--map-root-user", .. plain];
        string said = string.Empty;
        foreach (string[] options in (string[][])(Environment.IsPrivilegedProcess ? [plain, asUser] : [asUser]))
        {
            ProcessStartInfo start = Command(options, "ip", ["link", "set", "lo", "up"]);
            start.RedirectStandardError = true;
            using Process process = Process.Start(start)
                ?? throw new InvalidOperationException("unshare could not be started");
            said = process.StandardError.ReadToEnd().Trim();
            process.WaitForExit();
            if (process.ExitCode == 0)
            {
                return options;
            }
        }

        throw new InvalidOperationException(
            $"this needs network namespaces, and the system permits none to this user ({said}): run it as root, or "
            + "permit user namespaces (sysctl user.max_user_namespaces above 0, kernel.unprivileged_userns_clone=1 on Debian, "
            + "kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu)");
    }

    private static bool TryDelete(string folder)
    {
        try
        {
            Directory.Delete(folder, recursive: true);
            return true;
        }
        catch (DirectoryNotFoundException)
        {
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
