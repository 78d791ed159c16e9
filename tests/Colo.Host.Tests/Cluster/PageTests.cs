using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.RegularExpressions;
using Colo.Actors.Protocol;

namespace Colo.Host.Tests.Cluster;

/// <summary>The pages as a browser gets them, and who may not get them.</summary>
public sealed class PageTests
{
    [Fact]
    public async Task Every_page_is_whole_needs_nothing_from_outside_and_shows_nobodys_words_as_html()
    {
        await using var cluster = new LoopbackCluster(
            ["node-a", "node-b"], LoopbackCluster.Vm("web", "node-a", "node-b"));
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        LoopbackNode b = cluster["node-b"];
        await b.WhenAsync("web", EventCode.PairEstablished);
        a.Runtime.Find("web")!.Console.Write("<script>alert(1)</script>\u001b[2J"u8);
        a.Runtime.Events.Add(
            "web", new HostEvent(EventCode.GuestSilent, new Term(2), new Epoch(1), "<img src=x onerror=alert(1)>"));
        await b.StopAsync();
        await a.WhenAsync("web", EventCode.WentSolo);
        foreach (string path in (string[])
            ["/status", "/cluster/members", "/history", "/history/1", "/actors", "/config", "/vms/web",
                "/vms/web/timeline", "/vms/web/checkpoints", "/vms/web/disks", "/vms/web/packets",
                "/vms/web/packets?payload=true", "/faults"])
        {
            string page = await BrowseAsync(a, path);
            Assert.StartsWith("<!doctype html>", page, StringComparison.Ordinal);
            Assert.EndsWith("</html>", page.TrimEnd(), StringComparison.Ordinal);
            Assert.DoesNotContain("<script>alert", page, StringComparison.Ordinal);
            Assert.DoesNotContain("<img", page, StringComparison.Ordinal);
            Assert.DoesNotMatch(new Regex("(src|href|action)=\"(https?:)?//"), page);
            Assert.DoesNotMatch(new Regex("style=\"|<style|\\son[a-z]+=\""), page);
        }

        Assert.Contains("&lt;script&gt;alert(1)", await BrowseAsync(a, "/vms/web"), StringComparison.Ordinal);
        Assert.Contains("NOT PROTECTED", await BrowseAsync(a, "/status"), StringComparison.Ordinal);
        Assert.Contains("went on with web alone", await BrowseAsync(a, "/history/1"), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await a.Http.GetAsync("/page.css")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await a.Http.GetAsync("/page.js")).StatusCode);
    }

    [Fact]
    public async Task A_page_elsewhere_cannot_give_orders_nor_reach_the_node_under_another_name()
    {
        await using var cluster = new LoopbackCluster(["node-a"], LoopbackCluster.Vm("web", "node-a"));
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        var foreign = new HttpRequestMessage(HttpMethod.Post, "/vms/web/checkpoint");
        foreign.Headers.Add("Origin", "http://evil.example");
        Assert.Equal(HttpStatusCode.Forbidden, (await a.Http.SendAsync(foreign)).StatusCode);
        var rebound = new HttpRequestMessage(HttpMethod.Get, "/vms");
        rebound.Headers.Host = "evil.example";
        HttpResponseMessage refused = await a.Http.SendAsync(rebound);
        Assert.Equal(HttpStatusCode.MisdirectedRequest, refused.StatusCode);
        Assert.Equal("application/problem+json", refused.Content.Headers.ContentType!.MediaType);
    }

    [Fact]
    public async Task With_a_token_nothing_but_liveness_is_shown_without_it_and_a_browser_may_log_in()
    {
        string file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, "sesame\n");
        await using var cluster = new LoopbackCluster(["node-a"], extra: $"management {{ token-file = \"{file}\" }}");
        LoopbackNode a = cluster["node-a"];
        await a.StartAsync();
        Assert.Equal(HttpStatusCode.OK, (await a.Http.GetAsync("/alive")).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await a.Http.GetAsync("/vms")).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await a.Http.GetAsync("/openapi.json")).StatusCode);
        var bearer = new HttpRequestMessage(
            HttpMethod.Get, "/vms") { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", "sesame") } };
        Assert.Equal(HttpStatusCode.OK, (await a.Http.SendAsync(bearer)).StatusCode);

        var browser = new HttpRequestMessage(HttpMethod.Get, "/status");
        browser.Headers.Accept.ParseAdd("text/html");
        Assert.Equal("/login", (await a.Http.SendAsync(browser)).Headers.Location!.ToString());
        using var wrong = new StringContent("token=open", Encoding.ASCII, "application/x-www-form-urlencoded");
        Assert.Equal(HttpStatusCode.Unauthorized, (await a.Http.PostAsync("/login", wrong)).StatusCode);
        using var right = new StringContent("token=sesame", Encoding.ASCII, "application/x-www-form-urlencoded");
        HttpResponseMessage entered = await a.Http.PostAsync("/login", right);
        string cookie = Assert.Single(entered.Headers.GetValues("Set-Cookie"));
        Assert.Contains("httponly", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("samesite=strict", cookie, StringComparison.OrdinalIgnoreCase);
        // The handler of the test's client keeps cookies as a browser does.
        Assert.Equal(HttpStatusCode.OK, (await a.Http.GetAsync("/vms")).StatusCode);
        File.Delete(file);
    }

    private static async Task<string> BrowseAsync(LoopbackNode node, string path)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Accept.ParseAdd("text/html");
        HttpResponseMessage response = await node.Http.SendAsync(request);
        string page = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, $"{path}: {response.StatusCode}\n{page}");
        return page;
    }
}
