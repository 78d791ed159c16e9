using System.Diagnostics;

namespace Colo.Actors.Vm.Qemu;

/// <summary>
/// The TAP of one card of a QEMU. It is made before QEMU starts and kept down, so that a secondary is not in the LAN;
/// to attach is to set it up. It stays when the node ends, because the QEMU that uses it may go on.
/// </summary>
public sealed class QemuTap(string name, string bridge, Action<string> log)
{
    /// <summary>
    /// Whether there is such an interface. Asked of procfs, which answers for the network namespace of whoever reads;
    /// sysfs answers for the one in which it was mounted, so a node in a namespace of its own would not find its TAPs
    /// there.
    /// </summary>
    public static bool Exists(string name) => File.ReadLines("/proc/thread-self/net/dev")
        .Any(line => line.TrimStart().StartsWith(name + ":", StringComparison.Ordinal));

    /// <summary>Makes the interface, down. Harmless when it exists.</summary>
    public void Prepare()
    {
        if (name.Length == 0)
        {
            return;
        }

        if (!Exists(name))
        {
            Ip("tuntap", "add", "dev", name, "mode", "tap");
        }

        if (bridge.Length > 0)
        {
            Ip("link", "set", name, "master", bridge);
        }
    }

    public void SetUp(bool up)
    {
        if (name.Length > 0 && Exists(name))
        {
            Ip("link", "set", name, up ? "up" : "down");
        }
    }

    public void Remove()
    {
        if (name.Length > 0 && Exists(name))
        {
            Ip("link", "delete", name);
        }
    }

    private void Ip(params string[] arguments)
    {
        var start = new ProcessStartInfo("ip") { RedirectStandardError = true, UseShellExecute = false };
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start) ?? throw new IOException("the program 'ip' (package iproute2) cannot be started");
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            log($"ip {string.Join(' ', arguments)}: {error.Trim()}");
        }
    }
}
