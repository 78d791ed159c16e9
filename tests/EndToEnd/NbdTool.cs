using System.Diagnostics;

namespace Colo.EndToEnd;

/// <summary>Runs a tool of a Debian package and waits for it.</summary>
internal static class NbdTool
{
    /// <summary>The tool's output; fails the test when it is missing or says no.</summary>
    public static string Run(string package, string tool, params string[] arguments)
    {
        var (code, output) = Try(package, tool, arguments);
        Assert.True(code == 0, $"{tool} {string.Join(' ', arguments)} ended with {code}: {output}");
        return output;
    }

    public static (int Code, string Output) Try(string package, string tool, params string[] arguments)
    {
        using var process = Start(package, tool, arguments);
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        if (!process.WaitForExit(TimeSpan.FromSeconds(120)))
        {
            process.Kill();
            Assert.Fail($"{tool} {string.Join(' ', arguments)} did not end in 120 s");
        }

        return (process.ExitCode, output + error.Result);
    }

    public static Process Start(string package, string tool, params string[] arguments)
    {
        var path = new[] { "/usr/bin", "/usr/sbin", "/usr/local/bin" }
            .Select(folder => Path.Combine(folder, tool))
            .FirstOrDefault(File.Exists);
        Assert.True(path is not null, $"{tool} is missing: install {package}");
        return Process.Start(new ProcessStartInfo(path!, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
    }
}
