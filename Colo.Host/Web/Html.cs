namespace Colo.Host.Web;

/// <summary>
/// Text that is HTML already. Made only from literals and from values that are encoded on the way in: names of VMs,
/// events' texts and what guests say are somebody else's words.
/// </summary>
public readonly record struct Html(string Text)
{
    public static Html Empty { get; } = new(string.Empty);

    /// <summary>
    /// An interpolated text: its literal parts are HTML, every value is encoded unless it is <see cref="Html"/> itself.
    /// </summary>
    public static Html Of(HtmlHandler handler) => handler.Result();

    public static Html Join(IEnumerable<Html> parts) => new(string.Concat(parts.Select(part => part.Text)));

    public override string ToString() => Text;
}
