using System.Globalization;
using Colo.Host.Node;

namespace Colo.Host.Web;

/// <summary>Was it as promised? One change of owner with its phases on a bar.</summary>
internal static class ReportPage
{
    private const int BarWidth = 800;

    public static Html Render(NodeRuntime node, FailoverReport report) => Page.Frame(node, $"Fail-over {report.Id} of {report.Vm}", Html.Of($"""
        <p><strong>{Sentence(report)}</strong></p>
        {Bar(report)}
        <dl><dt>cause</dt><dd>E{report.CauseCode}: {report.Cause}</dd><dt>noticed</dt><dd>{Page.Moment(report.At)} on {report.Host}</dd>
        <dt>lost host</dt><dd>{report.LostHost ?? "none"}</dd><dt>last heard before that</dt><dd>{Page.Ms(report.SilentMs)}</dd>
        <dt>term granted after</dt><dd>{Page.Ms(report.TermMs)} (term {report.Term})</dd>
        <dt>answers leave again after</dt><dd>{Page.Ms(report.RunningMs)}</dd>
        <dt>new secondary filled after</dt><dd>{Page.Ms(report.RefilledMs)}</dd><dt>protected again after</dt><dd>{Page.Ms(report.ProtectedMs)}</dd>
        <dt>outcome</dt><dd>{report.Outcome}</dd></dl>
        <h2>Events around it</h2>
        {Page.Events(node.Events.Newest(report.Vm, 2_000).Where(logged => logged.Time >= report.At.AddSeconds(-2) && logged.Time <= report.At.AddSeconds(60)
            && logged.Code is < 3000 or >= 4000))}
        """), report.Vm);

    /// <summary>The report in one sentence.</summary>
    public static string Sentence(FailoverReport report) => report switch
    {
        { Kind: "switchover", Outcome: "done" } =>
            $"The roles of {report.Vm} were exchanged in {Page.Ms(report.RunningMs)}.",
        { Kind: "switchover" } => $"The exchange of roles of {report.Vm} was {report.Outcome}.",
        { Outcome: "refused" } => $"{report.Host} asked for {report.Vm} and another host has it.",
        { RunningMs: null } => $"{report.Host} has noticed the loss of {report.LostHost} and waits.",
        { Kind: "takeover" } => $"{report.Host} took {report.Vm} over from {report.LostHost} in {Page.Ms(report.RunningMs)} after it noticed the loss.",
        _ => $"{report.Host} went on with {report.Vm} alone {Page.Ms(report.RunningMs)} after it noticed the loss of {report.LostHost}.",
    };

    private static Html Bar(FailoverReport report)
    {
        List<(string Phase, double Ms)> spans = [.. report.Spans()];
        // Protection takes seconds where the others take milliseconds: widths follow the square root, figures stand
        // beside.
        double total = spans.Sum(span => Math.Sqrt(span.Ms));
        if (total <= 0)
        {
            return Html.Empty;
        }

        double at = 0;
        var parts = new List<Html>();
        for (int index = 0; index < spans.Count; index++)
        {
            double width = Math.Max(2, Math.Sqrt(spans[index].Ms) / total * BarWidth);
            parts.Add(Html.Of($"<rect class=\"phase{index % 5}\" x=\"{at:0.0}\" y=\"0\" width=\"{width:0.0}\" height=\"24\"><title>{spans[index].Phase} {Page.Ms(spans[index].Ms)}</title></rect>"));
            at += width;
        }

        string words = string.Join(
            ", then ",
            spans.Select(span => string.Create(CultureInfo.InvariantCulture, $"{span.Phase} {Page.Ms(span.Ms)}")));
        return Html.Of($"""
            <svg class="bar" viewBox="0 0 {at:0} 24" preserveAspectRatio="none" role="img" aria-label="{words}">{parts}</svg>
            <p class="legend">{spans.Select((span, index) => Html.Of($"<span class=\"key phase{index % 5}\"></span> {span.Phase} {Page.Ms(span.Ms)} "))}</p>
            """);
    }
}
