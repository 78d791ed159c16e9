namespace Colo.Host.Web;

/// <summary>Where a browser gives the token.</summary>
internal static class LoginPage
{
    public static Html Render(string? trouble) => Html.Of($"""
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><title>Colo</title><link rel="stylesheet" href="/page.css"></head>
        <body><main><h1>Colo</h1>
        <form method="post" action="/login"><label>Token <input type="password" name="token" autofocus required></label> <button>Enter</button></form>
        {(trouble is null ? Html.Empty : Html.Of($"<p class=\"error\" role=\"alert\">✗ {trouble}</p>"))}
        </main></body></html>
        """);
}
