using Colo.Host.Node;

namespace Colo.Host.Web;

/// <summary>
/// What happened at 14:02? Terms as bands, checkpoints as spans by phase, events as marks, on one axis.
/// </summary>
internal static class TimelinePage
{
    private const double Width = 1000;

    public static Html Render(NodeRuntime node, VmRecord vm, Timeline line) => Page.Frame(node, $"Timeline of {line.Vm}", Html.Of($"""
        <p>Zoom: <a href="?seconds=10">10 s</a> <a href="?seconds=60">1 min</a> <a href="?seconds=600">10 min</a> <a href="?seconds=3600">1 h</a>
        (of what this host has kept).</p>
        <div data-timeline>{Axis(line, 10)}{Axis(line, 60)}{Axis(line, 600)}{Axis(line, 3600)}</div>
        <h2>Events</h2>
        {Page.Events(line.Events.Where(Page.IsNotable))}
        """), vm.Definition.Name);

    /// <summary>The last so many seconds before the newest event.</summary>
    private static Html Axis(Timeline line, int seconds)
    {
        DateTimeOffset to = DateTimeOffset.UtcNow;
        DateTimeOffset from = to.AddSeconds(-seconds);
        double X(DateTimeOffset at) => Math.Clamp((at - from).TotalSeconds / seconds * Width, 0, Width);
        IEnumerable<Html> bands = line.Terms.Where(band => (band.To ?? to) >= from).Select((band, index) => Html.Of(
            $"<rect class=\"term{index % 2}\" x=\"{X(band.From):0.0}\" y=\"0\" width=\"{Math.Max(1, X(band.To ?? to) - X(band.From)):0.0}\" height=\"26\"><title>term {band.Term}</title></rect><text x=\"{X(band.From) + 3:0.0}\" y=\"17\">term {band.Term}</text>"));
        IEnumerable<Html> checkpoints = line.Checkpoints.Where(entry => entry.Began >= from)
            .Select(entry => Span(entry, X(entry.Began), Width / seconds / 1000));
        IEnumerable<Html> events = line.Events.Where(logged => logged.Time >= from && logged.Code is < 3000 or >= 4000)
            .Select(logged => Html.Of(
            $"<line class=\"{logged.Severity.ToLowerInvariant()}\" x1=\"{X(logged.Time):0.0}\" x2=\"{X(logged.Time):0.0}\" y1=\"60\" y2=\"84\"><title>{logged.Time:HH:mm:ss.fff} E{logged.Code} {logged.Name}: {logged.Summary}</title></line>"));
        return Html.Of($"""
            <figure data-seconds="{seconds}"><figcaption>last {seconds} s until {to:HH:mm:ss} UTC: terms, checkpoints, events</figcaption>
            <svg class="timeline" viewBox="0 0 1000 88" role="img" aria-label="Timeline of the last {seconds} seconds; the table below has the same events">
            {bands}{checkpoints}{events}</svg></figure>
            """);
    }

    private static Html Span(CheckpointEntry entry, double at, double unitsPerMs)
    {
        var parts = new List<Html>();
        int index = 0;
        foreach (string phase in CheckpointEntry.Phases)
        {
            double width = Math.Max(0.4, (entry.PhaseMs(phase) ?? 0) * unitsPerMs);
            parts.Add(Html.Of($"<rect class=\"phase{index++}\" x=\"{at:0.0}\" y=\"32\" width=\"{width:0.0}\" height=\"22\"><title>epoch {entry.Epoch} {entry.Reason}: {phase} {Page.Ms(entry.PhaseMs(phase))}</title></rect>"));
            at += width;
        }

        return Html.Join(parts);
    }
}
