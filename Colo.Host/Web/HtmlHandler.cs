using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Text;

namespace Colo.Host.Web;

/// <summary>Collects the parts of an interpolated <see cref="Html"/>.</summary>
[InterpolatedStringHandler]
public readonly ref struct HtmlHandler
{
    private readonly StringBuilder text;

    public HtmlHandler(int literalLength, int formattedCount) =>
        text = new StringBuilder(literalLength + (formattedCount * 16));

    public void AppendLiteral(string value) => text.Append(value);

    public void AppendFormatted(Html value) => text.Append(value.Text);

    public void AppendFormatted(IEnumerable<Html> values) =>
        text.AppendJoin(string.Empty, values.Select(value => value.Text));

    public void AppendFormatted(string? value) => text.Append(WebUtility.HtmlEncode(value));

    public void AppendFormatted<T>(T value, string? format = null)
        where T : IFormattable =>
            text.Append(WebUtility.HtmlEncode(value.ToString(format, CultureInfo.InvariantCulture)));

    internal Html Result() => new(text.ToString());
}
