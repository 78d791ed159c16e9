using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Colo.Host.Web;

namespace Colo.Host.Node;

/// <summary>
/// Who may ask. With a token: whoever has it, as a bearer or, from a browser, in the cookie of <c>/login</c>. Without
/// one (loopback only): whoever names this machine as the host, so that no page elsewhere can reach the node under a
/// name of its own. What changes something is never taken from a page of another origin.
/// </summary>
internal sealed class AccessRule(string? token)
{
    private const string Cookie = "colo-token";
    private static readonly string[] Open = ["/alive", "/live", "/ready", "/login", "/page.css", "/page.js"];

    public Task CheckAsync(HttpContext context, RequestDelegate next)
    {
        context.Response.Headers.XContentTypeOptions = "nosniff";
        context.Response.Headers.ContentSecurityPolicy =
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
        if (IsForeign(context.Request))
        {
            return RefuseAsync(context, 403, "Foreign origin", "a page of another origin may not do this");
        }

        if (token is null)
        {
            return IsThisMachine(context.Request.Host.Host)
                ? next(context)
                : RefuseAsync(
                    context, 421, "Unknown host",
                    $"this node answers to loopback names only, not to '{context.Request.Host.Host}'");
        }

        string path = context.Request.Path.Value ?? string.Empty;
        if (Open.Contains(path) || IsRight(context.Request))
        {
            return next(context);
        }

        if (Page.IsWanted(context.Request))
        {
            context.Response.Redirect("/login");
            return Task.CompletedTask;
        }

        context.Response.Headers.WWWAuthenticate = "Bearer";
        return RefuseAsync(context, 401, "Unauthorized", "a bearer token is needed");
    }

    /// <summary>Takes the token from a form and gives it back as a cookie that no script can read.</summary>
    public async Task<IResult> LogInAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body);
        char[] body = new char[4096];
        int length = await reader.ReadBlockAsync(body).ConfigureAwait(false);
        string given = WebUtility.UrlDecode(new string(body, 0, length))
            .Replace("token=", string.Empty, StringComparison.Ordinal).Trim();
        if (token is null || !AreEqual(given, token))
        {
            return Results.Content(
                LoginPage.Render("That is not the token.").Text, "text/html; charset=utf-8", statusCode: 401);
        }

        context.Response.Cookies.Append(Cookie, given, new CookieOptions
        {
            HttpOnly = true,
            SameSite = SameSiteMode.Strict,
            Secure = context.Request.IsHttps,
        });
        return Results.Redirect("/status");
    }

    /// <summary>
    /// Browsers say where a request comes from; other programs say nothing, and no page can make them.
    /// </summary>
    private static bool IsForeign(HttpRequest request)
    {
        if (HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method))
        {
            return false;
        }

        string origin = request.Headers.Origin.ToString();
        string site = request.Headers["Sec-Fetch-Site"].ToString();
        return (origin.Length > 0 && origin != $"{request.Scheme}://{request.Host}")
            || site is "cross-site" or "same-site";
    }

    private static bool IsThisMachine(string host) =>
        host is "localhost" or ""
            || (IPAddress.TryParse(host.Trim('[', ']'), out IPAddress? address) && IPAddress.IsLoopback(address));

    private bool IsRight(HttpRequest request) =>
        AreEqual(request.Headers.Authorization.ToString(), "Bearer " + token)
        || (request.Cookies[Cookie] is { } cookie && AreEqual(cookie, token!));

    private static bool AreEqual(string given, string expected) =>
        CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given), Encoding.UTF8.GetBytes(expected));

    private static Task RefuseAsync(HttpContext context, int status, string title, string detail)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsJsonAsync(
            new { type = "about:blank", title, status, detail }, JsonSerializerOptions.Web, "application/problem+json");
    }
}
