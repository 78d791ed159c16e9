using System.Text.Json;

namespace Colo.Host.Tests.Cli;

/// <summary>Runs a command line in this process.</summary>
internal static class ColoCommand
{
    /// <summary>More than any of these takes on a loaded machine.</summary>
    private static readonly TimeSpan HangBound = TimeSpan.FromSeconds(90);

    public static async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = await Task.Run(() => Program.Run(arguments, output, error)).WaitAsync(HangBound);
        return (code, output.ToString(), error.ToString());
    }

    public static JsonElement Json(string output) => JsonDocument.Parse(output).RootElement;
}
