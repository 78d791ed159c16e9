using Colo.Host.Node;

namespace Colo.Host.Web;

/// <summary>Do the disks agree? What each disk is here, and what is on its way.</summary>
internal static class DisksPage
{
    public static Html Render(NodeRuntime node, VmRecord vm, VmDisks disks) => Page.Frame(node, $"Disks of {disks.Vm}", Html.Of($"""
        <dl><dt>role of this host</dt><dd>{disks.Role}</dd><dt>not yet acknowledged by the peer</dt><dd>{disks.LagBytes:N0} bytes</dd>
        <dt>buffer of the secondary</dt><dd>{disks.BufferBytes:N0} bytes</dd>
        <dt>copy under way</dt><dd>{(disks.ResyncTotalBytes == 0 ? "none" : $"{disks.ResyncDoneBytes:N0} of {disks.ResyncTotalBytes:N0} bytes")}</dd></dl>
        {Page.Table(["number", "path", "mode", "size", "serial"], disks.Disks.Select(disk => (IReadOnlyList<Html>)
        [
            Html.Of($"{disk.Number}"), Html.Of($"<code>{disk.Path}</code>"), Page.Text(disk.Mode + (disk.ReadOnly ? ", read-only" : string.Empty)),
            Page.Text(disk.SizeBytes is { } size ? $"{size:N0}" : "missing"), Page.Text(disk.Serial),
        ]))}
        """), vm.Definition.Name);
}
