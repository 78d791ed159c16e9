using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Colo.Vmm.Qemu;

/// <summary>Asks QEMU's programs about themselves and about images. Each call runs a program for some tens of
/// milliseconds.</summary>
public static partial class QemuTool
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan MergeTimeout = TimeSpan.FromHours(24);

    /// <summary>The version that <c>--version</c> prints.</summary>
    /// <exception cref="IOException">The program cannot be started, or prints no version.</exception>
    public static QemuVersion VersionOf(string binary)
    {
        string output = Run(binary, "--version");
        Match match = VersionText().Match(output);
        return match.Success
            ? new QemuVersion(Number(match, 1), Number(match, 2), Number(match, 3))
            : throw new IOException($"'{binary} --version' printed no version of QEMU");

        static int Number(Match match, int group) => int.Parse(match.Groups[group].Value, CultureInfo.InvariantCulture);
    }

    /// <summary>The first words of the lines that a help argument prints: machine types, CPU models, devices.</summary>
    public static IReadOnlySet<string> NamesOf(string binary, params string[] help) => Run(binary, help)
        .Split('\n').Select(line => line.Trim().Split(' ', ',')[0].Trim('"')).Where(name => name.Length > 0).ToHashSet(StringComparer.Ordinal);

    /// <summary>All words that a help argument prints.</summary>
    public static IReadOnlySet<string> WordsOf(string binary, params string[] help) =>
        Run(binary, help).Split((char[])[' ', '\n', '\t'], StringSplitOptions.RemoveEmptyEntries).ToHashSet(StringComparer.Ordinal);

    /// <summary>The names of the devices that a card or disk may be.</summary>
    public static IReadOnlySet<string> DevicesOf(string binary) => DeviceName().Matches(Run(binary, "-device", "help"))
        .Select(match => match.Groups[1].Value).ToHashSet(StringComparer.Ordinal);

    /// <summary>The size that a guest sees of an image.</summary>
    /// <exception cref="IOException">There is no such image, or it has another format.</exception>
    public static long SizeOf(string imageBinary, string path, string format)
    {
        using JsonDocument info = JsonDocument.Parse(Run(imageBinary, "info", "--output=json", "-U", "-f", format, path));
        return info.RootElement.GetProperty("virtual-size").GetInt64();
    }

    /// <summary>Makes an empty overlay of this size.</summary>
    public static void CreateOverlay(string imageBinary, string path, long sizeBytes)
    {
        File.Delete(path);
        Run(imageBinary, "create", "-q", "-f", "qcow2", path, sizeBytes.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>Writes what an overlay holds into the image below it, while no QEMU runs. Repeatable.</summary>
    public static void Merge(string imageBinary, string overlay, string below, string format)
    {
        Run(imageBinary, "rebase", "-u", "-f", "qcow2", "-F", format, "-b", below, overlay);
        Run(MergeTimeout, imageBinary, "commit", "-q", "-f", "qcow2", overlay);
    }

    /// <summary>Lets QEMU make the machine with nothing behind it and ends it at once.</summary>
    /// <exception cref="IOException">QEMU refused it; the message is the last line that it printed.</exception>
    public static void Try(string binary, IReadOnlyList<string> arguments) =>
        Feed(binary, """{"execute":"qmp_capabilities"}{"execute":"quit"}""", arguments);

    [GeneratedRegex(@"version (\d+)\.(\d+)\.(\d+)")]
    private static partial Regex VersionText();

    [GeneratedRegex("name \"([^\"]+)\"")]
    private static partial Regex DeviceName();

    private static string Run(string program, params string[] arguments) => Run(Timeout, program, arguments);

    private static string Run(TimeSpan limit, string program, params string[] arguments)
    {
        (int exitCode, string output, string errors) = Execute(program, string.Empty, arguments, limit);
        return exitCode == 0 ? output : throw new IOException($"'{program} {string.Join(' ', arguments)}': {errors.Trim()}");
    }

    private static void Feed(string program, string input, IReadOnlyList<string> arguments)
    {
        (int exitCode, _, string errors) = Execute(program, input, arguments, Timeout);
        if (exitCode != 0)
        {
            string line = errors.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .LastOrDefault(text => !text.Contains("warning:", StringComparison.Ordinal)) ?? $"ended with exit code {exitCode}";
            throw new IOException(line.StartsWith(program + ": ", StringComparison.Ordinal) ? line[(program.Length + 2)..] : line);
        }
    }

    private static (int ExitCode, string Output, string Errors) Execute(
        string program, string input, IReadOnlyList<string> arguments, TimeSpan limit)
    {
        var start = new ProcessStartInfo(program)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
        };
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        try
        {
            using Process process = Process.Start(start)!;
            Task<string> errors = process.StandardError.ReadToEndAsync();
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            Write(process, input);
            if (!process.WaitForExit(limit))
            {
                process.Kill();
                throw new IOException(
                    $"'{program} {string.Join(' ', arguments)}' did not end within {limit.TotalSeconds:0} s");
            }

            return (process.ExitCode, output.GetAwaiter().GetResult(), errors.GetAwaiter().GetResult());
        }
        catch (System.ComponentModel.Win32Exception problem)
        {
            throw new IOException($"the program '{program}' cannot be started: {problem.Message}", problem);
        }
    }

    private static void Write(Process process, string input)
    {
        try
        {
            process.StandardInput.Write(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended already, for a reason that it has printed.
        }
    }
}
