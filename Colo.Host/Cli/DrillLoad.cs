using System.Diagnostics;
using System.Net;
using System.Net.NetworkInformation;

namespace Colo.Host.Cli;

/// <summary>
/// A client of a guest during a drill: small requests one after another from where the command runs, by HTTP or ICMP
/// echo, and the longest time without an answer.
/// </summary>
internal sealed class DrillLoad : IDisposable
{
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly Uri? url;
    private readonly IPAddress? address;
    private readonly HttpClient http = new() { Timeout = Patience };
    private readonly CancellationTokenSource ending = new();
    private Task running = Task.CompletedTask;
    private long answers;
    private long lastAnswer;
    private long longestTicks;

    private DrillLoad(Uri? url, IPAddress? address)
    {
        this.url = url;
        this.address = address;
    }

    /// <summary>Answers so far.</summary>
    public long Answers => Interlocked.Read(ref answers);

    /// <summary>The longest time between two answers, in milliseconds.</summary>
    public double GapMs => TimeSpan.FromTicks(Interlocked.Read(ref longestTicks)).TotalMilliseconds;

    /// <param name="target">http://HOST/..., or an address for ICMP echo.</param>
    /// <exception cref="CommandLineException">Neither.</exception>
    public static DrillLoad Parse(string target) =>
        Uri.TryCreate(target, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https"
            ? new DrillLoad(url, null)
        : IPAddress.TryParse(target, out IPAddress? address) ? new DrillLoad(null, address)
        : throw new CommandLineException($"--load {target}: expected http://HOST[:PORT]/PATH or an IP address");

    /// <summary>Begins when the guest answers from here; otherwise there is no load.</summary>
    public async Task<bool> TryStartAsync(CancellationToken cancellation)
    {
        for (int attempt = 0; attempt < 3; attempt++)
        {
            if (await AskAsync(cancellation).ConfigureAwait(false))
            {
                lastAnswer = Stopwatch.GetTimestamp();
                running = Task.Run(RunAsync, CancellationToken.None);
                return true;
            }
        }

        return false;
    }

    public async Task StopAsync()
    {
        await ending.CancelAsync().ConfigureAwait(false);
        await running.ConfigureAwait(false);
        Note(answered: false); // a silence that goes on is a gap as well
    }

    public void Dispose()
    {
        ending.Cancel();
        http.Dispose();
        ending.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            while (!ending.IsCancellationRequested)
            {
                if (await AskAsync(ending.Token).ConfigureAwait(false))
                {
                    Note(answered: true);
                }

                await Task.Delay(Between, ending.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The drill is over.
        }
    }

    private void Note(bool answered)
    {
        if (lastAnswer == 0)
        {
            return;
        }

        long now = Stopwatch.GetTimestamp();
        long gap = Stopwatch.GetElapsedTime(lastAnswer, now).Ticks;
        Interlocked.Exchange(ref longestTicks, Math.Max(longestTicks, gap));
        if (answered)
        {
            lastAnswer = now;
            Interlocked.Increment(ref answers);
        }
    }

    private async Task<bool> AskAsync(CancellationToken cancellation)
    {
        try
        {
            if (url is not null)
            {
                using HttpResponseMessage response = await http.GetAsync(url, cancellation).ConfigureAwait(false);
                return true;
            }

            using var ping = new Ping();
            PingReply reply = await ping.SendPingAsync(address!, Patience, cancellationToken: cancellation)
                .ConfigureAwait(false);
            return reply.Status == IPStatus.Success;
        }
        catch (Exception silence) when (
            silence is HttpRequestException or PingException or PlatformNotSupportedException
            || (silence is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            return false;
        }
    }
}
