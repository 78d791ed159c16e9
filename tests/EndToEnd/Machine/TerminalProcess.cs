using System.Diagnostics;
using System.Text;

namespace Colo.EndToEnd.Machine;

/// <summary>
/// A program on a real terminal of its own, made by script(1): what is typed goes through the terminal's line
/// discipline, as a person's keys do. When the program has ended, its exit code and the terminal's settings are
/// printed.
/// </summary>
internal sealed class TerminalProcess : IDisposable
{
    /// <summary>A hang, not a slow machine.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(4);

    private readonly StringBuilder _text = new();
    private readonly Process _script;
    private bool _closed;

    public TerminalProcess(params string[] command)
    {
        string line = string.Join(' ', command.Select(Quote));
        var start = new ProcessStartInfo(
            "script", ["-qc", $"{line}; echo \"ended with $?.\"; stty -a; echo over.", "/dev/null"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        start.Environment["SHELL"] = "/bin/sh";
        start.Environment["TERM"] = "xterm";
        _script = Process.Start(start)!;
        // Not the pool's: a test that waits has one of its threads.
        new Thread(Read) { IsBackground = true, Name = "terminal" }.Start();
    }

    /// <summary>Types keys, and no line feed after them.</summary>
    public void Type(string keys)
    {
        _script.StandardInput.Write(keys);
        _script.StandardInput.Flush();
    }

    /// <summary>Waits until the terminal has shown the text; returns all that it has shown.</summary>
    public string WaitFor(string expected)
    {
        var waited = Stopwatch.StartNew();
        lock (_text)
        {
            while (!_text.ToString().Contains(expected, StringComparison.Ordinal))
            {
                TimeSpan left = Hang - waited.Elapsed;
                Assert.True(
                    !_closed && left > TimeSpan.Zero && System.Threading.Monitor.Wait(_text, left),
                    $"the terminal did not show '{expected}'{(_closed ? " before it closed" : "")}: {_text}");
            }

            return _text.ToString();
        }
    }

    /// <summary>Waits for the end of the program; the terminal edits lines and echoes again.</summary>
    public void RequireEnd(int code)
    {
        string shown = WaitFor("over.");
        Assert.Contains($"ended with {code}.", shown, StringComparison.Ordinal);
        string settings = shown[shown.LastIndexOf("ended with", StringComparison.Ordinal)..];
        Assert.Contains(" icanon ", settings, StringComparison.Ordinal);
        Assert.Contains(" echo ", settings, StringComparison.Ordinal);
        Assert.Contains("isig ", settings, StringComparison.Ordinal);
        Assert.DoesNotContain("-isig ", settings, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        if (!_script.HasExited)
        {
            _script.Kill(entireProcessTree: true);
            _script.WaitForExit();
        }

        _script.Dispose();
    }

    private static string Quote(string word) => $"'{word.Replace("'", @"'\''", StringComparison.Ordinal)}'";

    private void Read()
    {
        byte[] buffer = new byte[4096];
        int got;
        try
        {
            while ((got = _script.StandardOutput.BaseStream.Read(buffer)) > 0)
            {
                lock (_text)
                {
                    _text.Append(Encoding.Latin1.GetString(buffer, 0, got));
                    System.Threading.Monitor.PulseAll(_text);
                }
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The test is over.
        }

        lock (_text)
        {
            _closed = true;
            System.Threading.Monitor.PulseAll(_text);
        }
    }
}
