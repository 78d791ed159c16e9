using System.Diagnostics;
using System.Net;
using System.Net.NetworkInformation;

namespace Colo.Host.Cli;

/// <summary>
/// A client of a guest during a drill, from where the command runs, and the longest time without an answer. By HTTP
/// small requests one after another, as a client makes them. By ICMP echo a question every 50 ms that does not wait for
/// the one before: what is lost is not repeated by anybody, and waiting for it would be counted as the guest's silence.
/// </summary>
internal sealed class DrillLoad : IDisposable
{
    private static readonly TimeSpan BetweenRequests = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan BetweenEchoes = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly Func<CancellationToken, Task<bool>> ask;
    private readonly bool waits;
    private readonly IDisposable? client;
    private readonly Lock gate = new();
    private readonly CancellationTokenSource ending = new();
    private Task running = Task.CompletedTask;
    private long answers;
    private long lastAnswer;
    private long longestTicks;

    /// <param name="ask">Whether the guest answers; a question that is cancelled throws.</param>
    /// <param name="waits">Whether a question waits for the answer to the one before.</param>
    /// <param name="client">Disposed of at the end.</param>
    internal DrillLoad(Func<CancellationToken, Task<bool>> ask, bool waits, IDisposable? client = null)
    {
        this.ask = ask;
        this.waits = waits;
        this.client = client;
    }

    /// <summary>Answers so far.</summary>
    public long Answers => Interlocked.Read(ref answers);

    /// <summary>The longest time between two answers, in milliseconds.</summary>
    public double GapMs => TimeSpan.FromTicks(Interlocked.Read(ref longestTicks)).TotalMilliseconds;

    /// <param name="target">http://HOST/..., or an address for ICMP echo.</param>
    /// <exception cref="CommandLineException">Neither.</exception>
    public static DrillLoad Parse(string target)
    {
        if (Uri.TryCreate(target, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https")
        {
            var http = new HttpClient { Timeout = Patience };
            return new DrillLoad(cancellation => RequestAsync(http, url, cancellation), waits: true, http);
        }

        return IPAddress.TryParse(target, out IPAddress? address)
            ? new DrillLoad(cancellation => EchoAsync(address, cancellation), waits: false)
            : throw new CommandLineException($"--load {target}: expected http://HOST[:PORT]/PATH or an IP address");
    }

    /// <summary>Begins when the guest answers from here; otherwise there is no load.</summary>
    public async Task<bool> TryStartAsync(CancellationToken cancellation)
    {
        for (int attempt = 0; attempt < 3; attempt++)
        {
            if (await ask(cancellation).ConfigureAwait(false))
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
        client?.Dispose();
        ending.Dispose();
    }

    private async Task RunAsync()
    {
        var asked = new List<Task>();
        while (!ending.IsCancellationRequested)
        {
            Task question = QuestionAsync();
            asked.RemoveAll(earlier => earlier.IsCompleted);
            asked.Add(question);
            if (waits)
            {
                await question.ConfigureAwait(false);
            }

            await Task.Delay(waits ? BetweenRequests : BetweenEchoes, ending.Token)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await Task.WhenAll(asked).ConfigureAwait(false);
    }

    private async Task QuestionAsync()
    {
        try
        {
            if (await ask(ending.Token).ConfigureAwait(false))
            {
                Note(answered: true);
            }
        }
        catch (OperationCanceledException)
        {
            // The drill is over.
        }
    }

    private void Note(bool answered)
    {
        lock (gate)
        {
            if (lastAnswer == 0)
            {
                return;
            }

            long now = Stopwatch.GetTimestamp();
            longestTicks = Math.Max(longestTicks, Stopwatch.GetElapsedTime(lastAnswer, now).Ticks);
            if (answered)
            {
                lastAnswer = now;
                answers++;
            }
        }
    }

    private static async Task<bool> RequestAsync(HttpClient http, Uri url, CancellationToken cancellation)
    {
        try
        {
            using HttpResponseMessage response = await http.GetAsync(url, cancellation).ConfigureAwait(false);
            return true;
        }
        catch (Exception silence) when (
            silence is HttpRequestException
            || (silence is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            return false;
        }
    }

    private static async Task<bool> EchoAsync(IPAddress address, CancellationToken cancellation)
    {
        try
        {
            using var ping = new Ping();
            PingReply reply = await ping.SendPingAsync(address, Patience, cancellationToken: cancellation)
                .ConfigureAwait(false);
            return reply.Status == IPStatus.Success;
        }
        catch (Exception silence) when (silence is PingException or PlatformNotSupportedException)
        {
            // A cancelled one is wrapped as well; nobody counts any more then.
            return false;
        }
    }
}
