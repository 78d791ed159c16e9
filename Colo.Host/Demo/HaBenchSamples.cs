using System.Globalization;
using System.Text.RegularExpressions;
using Colo.Actors.Protocol;

namespace Colo.Host.Demo;

/// <summary>What clients got from one guest, by kind of work, a slice of time after another.</summary>
internal sealed partial class HaBenchSamples(LabCluster cluster, string address, TimeSpan slice)
{
    /// <summary>What <see cref="TakeAsync"/> can measure: kinds of <see cref="LabClient"/>.</summary>
    public static readonly string[] Kinds = ["requests", "redis", "redis-many", "bulk"];

    private const long Endless = 1L << 40;

    private readonly Dictionary<string, List<RequestFigures>> taken =
        Kinds.ToDictionary(kind => kind, _ => new List<RequestFigures>());
    private readonly List<double> pauses = [];
    private HostTimes used;
    private double redisRequests;
    private long answered;
    private double seconds;

    /// <summary>One slice of one kind of work.</summary>
    /// <returns>Answers a second, or megabytes a second.</returns>
    public async Task<double> TakeAsync(string kind)
    {
        DateTimeOffset began = DateTimeOffset.UtcNow;
        HostTimes before = HostTimes.Of(cluster.Hosts);
        RequestFigures figures = kind == "bulk"
            ? new RequestFigures(await BulkAsync().ConfigureAwait(false), 0, 0)
            : await RequestsAsync(kind).ConfigureAwait(false);
        if (kind == "redis")
        {
            used += HostTimes.Of(cluster.Hosts) - before;
            redisRequests += answered;
        }

        taken[kind].Add(figures);
        seconds += (DateTimeOffset.UtcNow - began).TotalSeconds;
        pauses.AddRange(cluster.Hosts.SelectMany(host => host.Events)
            .Where(printed => printed.Code == (int)EventCode.CheckpointCaptured && printed.Time >= began)
            .Select(printed => Pause().Match(printed.Summary).Groups[1].Value)
            .Select(pause => double.Parse(pause, CultureInfo.InvariantCulture)));
        return figures.PerSecond;
    }

    /// <summary>Medians of the slices.</summary>
    public ModeFigures Figures(string name) => new(
        name, Middle("requests"), Middle("redis"), Middle("redis-many"), Middle("bulk").PerSecond,
        pauses.Count / Math.Max(1, seconds), Median.Of(pauses),
        used.GuestMicroseconds / Math.Max(1, redisRequests), used.OtherMicroseconds / Math.Max(1, redisRequests));

    /// <summary>Slice by slice against those of another guest, which were taken right before or after; the
    /// medians.</summary>
    public SpeedShares SharesOf(HaBenchSamples other)
    {
        double Share(string kind) =>
            Median.Of(taken[kind].Zip(other.taken[kind], (mine, theirs) => mine.PerSecond / theirs.PerSecond));
        return new SpeedShares(Share("requests"), Share("redis"), Share("redis-many"), Share("bulk"));
    }

    /// <summary>Of two guests that were measured at the same time.</summary>
    public static SpeedShares MeanShares(SpeedShares one, SpeedShares other) => new(
        (one.Http + other.Http) / 2, (one.Redis + other.Redis) / 2, (one.RedisMany + other.RedisMany) / 2,
        (one.Bulk + other.Bulk) / 2);

    [GeneratedRegex(@"pause ([\d.]+) ms")]
    private static partial Regex Pause();

    private RequestFigures Middle(string kind) => new(
        Median.Of(taken[kind].Select(figures => figures.PerSecond)),
        Median.Of(taken[kind].Select(figures => figures.MedianMs)),
        Median.Of(taken[kind].Select(figures => figures.P99Ms)));

    private async Task<RequestFigures> RequestsAsync(string kind)
    {
        using var client = new ClientProcess(kind, address, (long)slice.TotalSeconds, 0);
        await client.Ended.WaitAsync(HaBench.StepLimit).ConfigureAwait(false);
        ClientReport last = client.Last is { Done: true } report ? report
            : throw new InvalidOperationException($"{kind}: {client.Last?.Error ?? "the client did not end well"}");
        answered = last.Bytes;
        return new RequestFigures(last.PerSecond, last.MedianMs, last.P99Ms);
    }

    private async Task<double> BulkAsync()
    {
        using var client = new ClientProcess("bulk", address, Endless, 0);
        await client.FirstReport.WaitAsync(HaBench.StepLimit).ConfigureAwait(false);
        ClientReport first = client.Last
            ?? throw new InvalidOperationException("download: the client ended without a word");
        await Task.Delay(slice).ConfigureAwait(false);
        ClientReport last = client.Last!;
        return last.Error is null ? (last.Bytes - first.Bytes) / 1e3 / Math.Max(1, last.AtMs - first.AtMs)
            : throw new InvalidOperationException($"download: {last.Error}");
    }
}
