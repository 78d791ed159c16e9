using System.Diagnostics;
using System.Text.Json;

namespace Colo.Host.Demo;

/// <summary>
/// A cable of a host with a <see cref="LabWire"/> in it, until it is disposed of:
/// <code>
///   host ---- port -- (bridge x) -- near TAP == process == far TAP -- (the network's bridge) ---- everybody else
/// </code>
/// </summary>
internal sealed class FaultyCable : IDisposable
{
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);

    private readonly string host;
    private readonly Cable cable;
    private readonly Process process;

    private FaultyCable(string host, Cable cable, Process process)
    {
        this.host = host;
        this.cable = cable;
        this.process = process;
    }

    /// <summary>Puts it in; nothing is wrong with it yet.</summary>
    /// <param name="cable">One of a host's cables.</param>
    public static async Task<FaultyCable> InsertAsync(string host, Cable cable)
    {
        (string place, string near, string far) = NetworkLab.PrepareWire(host, cable);
        ProcessStartInfo start = NetworkLab.Inside(place, Environment.ProcessPath!, "lab-wire", near, far);
        start.RedirectStandardInput = true;
        start.RedirectStandardOutput = true;
        Process process = Process.Start(start) ?? throw new InvalidOperationException("the wire could not be started");
        var made = new FaultyCable(host, cable, process);
        try
        {
            await made.AnswersAsync().ConfigureAwait(false);
            NetworkLab.InsertWire(host, cable);
            return made;
        }
        catch
        {
            made.Dispose();
            throw;
        }
    }

    /// <summary>What happens to frames from now on.</summary>
    public async Task SetAsync(WireRule rule)
    {
        await process.StandardInput.WriteLineAsync(JsonSerializer.Serialize(rule, JsonSerializerOptions.Web))
            .ConfigureAwait(false);
        await process.StandardInput.FlushAsync().ConfigureAwait(false);
        await AnswersAsync().ConfigureAwait(false);
    }

    public void Dispose()
    {
        NetworkLab.RemoveWire(host, cable);
        process.Kill();
        process.WaitForExit();
        process.Dispose();
    }

    private async Task AnswersAsync()
    {
        string? answer = await process.StandardOutput.ReadLineAsync().WaitAsync(Hang).ConfigureAwait(false);
        if (answer != LabWire.Ready)
        {
            throw new InvalidOperationException($"the wire of {host} says '{answer}'; expected '{LabWire.Ready}'");
        }
    }
}
