using System.Diagnostics;

namespace Colo.Host.Cli;

/// <summary>
/// Guests that a script assembles from Debian packages, cached under <c>${COLO_CACHE:-$HOME/.cache/colo}/guests</c>.
/// The script decides whether what is there is current, and shows its progress on standard error.
/// </summary>
internal static class GuestImages
{
    public static readonly string[] Names = ["debian", "debian-redis"];

    public static (string Kernel, string Initrd) Find(string name)
    {
        if (!Names.Contains(name))
        {
            throw new CommandLineException($"--guest {name}: expected {string.Join(" or ", Names)}");
        }

        string cache = Environment.GetEnvironmentVariable("COLO_CACHE")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache", "colo");
        string folder = Path.Combine(cache, "guests", name);
        string kernel = Path.Combine(folder, "Image");
        string initrd = Path.Combine(folder, "initrd.img");
        string? script = FindScript();
        if (script is not null)
        {
            Build(script, name);
        }

        return File.Exists(kernel) && File.Exists(initrd)
            ? (kernel, initrd)
            : throw new CommandLineException($"--guest {name}: {folder} has no Image and initrd.img, and guests/debian/build was not found to make them");
    }

    private static void Build(string script, string name)
    {
        using Process? process = Process.Start(new ProcessStartInfo(script, [name]) { UseShellExecute = false });
        process!.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new CommandLineException($"--guest {name}: {script} ended with code {process.ExitCode}");
        }
    }

    /// <summary>Looks upwards from the program and from the current folder for the source tree.</summary>
    private static string? FindScript()
    {
        foreach (string start in new[] { AppContext.BaseDirectory, Environment.CurrentDirectory })
        {
            for (DirectoryInfo? folder = new(start); folder is not null; folder = folder.Parent)
            {
                string script = Path.Combine(folder.FullName, "guests", "debian", "build");
                if (File.Exists(script))
                {
                    return script;
                }
            }
        }

        return null;
    }
}
