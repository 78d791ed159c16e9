using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Colo.Benchmarks.Machine;

/// <summary>
/// <c>colo vm run</c> as a user starts it, with a Debian guest that is made to touch all of its memory: what the
/// process holds then, and after work, beyond what the guest was promised.
/// </summary>
internal sealed class WholeProcess : IDisposable
{
    private const int GuestMebibytes = 256;
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);
    private readonly Process _process;
    private readonly StringBuilder _seen = new();

    private WholeProcess()
    {
        string program = Path.Combine(BenchFiles.SourceRoot(), "Colo.Host", "bin", "Release", "net10.0", "colo");
        var start = new ProcessStartInfo(program, ["vm", "run", "--guest", "debian", "--memory", $"{GuestMebibytes}M"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        _process = Process.Start(start)!;
    }

    /// <summary>MiB beyond the guest's memory at three moments: after boot (less than 0, for a guest that has not
    /// touched all), with all memory touched, after work.</summary>
    public static (double AfterBoot, double Filled, double Worked) Measure()
    {
        using WholeProcess vm = new();
        vm.WaitFor("login:");
        double afterBoot = vm.MebibytesBeyond();
        vm.Type("root\n");
        vm.WaitFor("~ # ");
        vm.Type("mount -o remount,size=100% /tmp; n=$(awk '/MemFree/{print int($2/64)-64}' /proc/meminfo)\n");
        // The quotes keep what is typed, and echoed, apart from what is printed.
        vm.Type("dd if=/dev/zero of=/tmp/fill bs=64k count=$n 2>/dev/null; echo fi''lled\n");
        vm.WaitFor("filled");
        double filled = vm.MebibytesBeyond();
        vm.Type("rm /tmp/fill; seq 1 200000 | sort -n | gzip | sha256sum; echo wo''rked\n");
        vm.WaitFor("worked");
        return (afterBoot, filled, vm.MebibytesBeyond());
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    private void Type(string text)
    {
        _process.StandardInput.Write(text);
        _process.StandardInput.Flush();
    }

    private void WaitFor(string text)
    {
        var buffer = new byte[4096];
        while (!_seen.ToString().Contains(text, StringComparison.Ordinal))
        {
            int got = _process.StandardOutput.BaseStream.ReadAsync(buffer).AsTask().WaitAsync(Limit).GetAwaiter().GetResult();
            if (got == 0)
            {
                throw new InvalidOperationException($"the guest ended before it printed '{text}'");
            }

            _seen.Append(Encoding.Latin1.GetString(buffer, 0, got));
        }

        _seen.Clear();
    }

    private double MebibytesBeyond()
    {
        string line = File.ReadLines($"/proc/{_process.Id}/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal));
        string kibibytes = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
        return (double.Parse(kibibytes, CultureInfo.InvariantCulture) / 1024) - GuestMebibytes;
    }
}
