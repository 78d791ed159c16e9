using Colo.Host.Node;

namespace Colo.Host.Web;

/// <summary>Do the disks agree? What each disk is here, and what is on its way.</summary>
internal static class DisksPage
{
    public static Html Render(NodeRuntime node, VmRecord vm, VmDisks disks) => Page.Frame(node, $"Disks of {disks.Vm}", Html.Of($"""
        <dl><dt>role of this host</dt><dd>{disks.Role}</dd><dt>not yet acknowledged by the peer</dt><dd>{disks.LagBytes:N0} bytes</dd>
        <dt>buffer of the secondary</dt><dd>{disks.BufferBytes:N0} bytes</dd>
        <dt>copy under way</dt><dd>{(disks.ResyncTotalBytes == 0 ? "none" : $"{disks.ResyncDoneBytes:N0} of {disks.ResyncTotalBytes:N0} bytes")}</dd>
        <dt>last comparison</dt><dd>{Verify(disks)}</dd></dl>
        {Page.Table(["number", "path", "mode", "size", "serial"], disks.Disks.Select(disk => (IReadOnlyList<Html>)
        [
            Html.Of($"{disk.Number}"), Html.Of($"<code>{disk.Path}</code>"), Page.Text(disk.Mode + (disk.ReadOnly ? ", read-only" : string.Empty)),
            Page.Text(disk.SizeBytes is { } size ? $"{size:N0}" : "missing"), Page.Text(disk.Serial),
        ]))}
        """), vm.Definition.Name);

    private static Html Verify(VmDisks disks) => disks.Verify switch
    {
        null => Html.Of($"none here yet; <code>colo disk verify {disks.Vm}</code> compares while the guest runs"),
        { State: "running" } verify => Html.Of(
            $"under way since {Page.Moment(verify.Began)}: {verify.DoneBytes:N0} of {verify.TotalBytes:N0} bytes"),
        { State: "equal" } verify => Ended(verify, "good", "✓"),
        { State: "differs" } verify => Ended(verify, "error", "✗"),
        var verify => Ended(verify, "warning", "!"),
    };

    private static Html Ended(VerifyView verify, string kind, string symbol) => Html.Of(
        $"<span class=\"{kind}\">{symbol} {verify.Text}</span>, {Page.Moment(verify.Began)}");
}
