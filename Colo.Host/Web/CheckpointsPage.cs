using Colo.Host.Node;

namespace Colo.Host.Web;

/// <summary>Why is it slow? The last checkpoints with every phase, and how their pauses are spread.</summary>
internal static class CheckpointsPage
{
    public static Html Render(NodeRuntime node, VmRecord vm, IReadOnlyList<CheckpointEntry> entries) => Page.Frame(
        node, $"Checkpoints of {vm.Definition.Name}", Html.Of($"""
        <h2>Pauses</h2>
        {Histogram(vm)}
        <h2>Last {entries.Count}</h2>
        {Page.Table(
            ["epoch", "began", "reason", "request", "capture (pause)", "stream", "commit", "load", "pages", "bytes", "outcome"], entries.Select(Row))}
        """), vm.Definition.Name);

    private static IReadOnlyList<Html> Row(CheckpointEntry entry) =>
    [
        Html.Of($"{entry.Epoch}"), Page.Moment(entry.Began), Page.Text(entry.Reason),
        Page.Text(Page.Ms(entry.RequestMs)), Page.Text(Page.Ms(entry.CaptureMs)),
        Page.Text(Page.Ms(entry.StreamMs)), Page.Text(Page.Ms(entry.CommitMs)), Page.Text(Page.Ms(entry.LoadMs)),
        Page.Text($"{entry.Pages:N0}"),
        Page.Text($"{entry.Bytes:N0}"), Page.Text(entry.Outcome),
    ];

    private static Html Histogram(VmRecord vm)
    {
        Html result = Html.Of($"<p>No checkpoint was measured in this life of the node.</p>");
        vm.Journal.Histograms((phase, histogram) =>
        {
            if (phase == "capture" && histogram.Count > 0)
            {
                result = Bars(histogram);
            }
        });
        return result;
    }

    private static Html Bars(PhaseHistogram histogram)
    {
        var rows = new List<IReadOnlyList<Html>>();
        long before = 0;
        for (int bound = 0; bound < PhaseHistogram.Bounds.Count; bound++)
        {
            long count = histogram.UpTo(bound) - before;
            before = histogram.UpTo(bound);
            if (count > 0)
            {
                double share = 100.0 * count / histogram.Count;
                rows.Add(
                [
                    Page.Text($"up to {Page.Ms(PhaseHistogram.Bounds[bound] * 1000)}"), Html.Of($"{count:N0}"),
                    Html.Of($"<meter min=\"0\" max=\"100\" value=\"{share:0.0}\">{share:0} %</meter> {share:0} %"),
                ]);
            }
        }

        return Page.Table(["pause", "checkpoints", "share"], rows);
    }
}
