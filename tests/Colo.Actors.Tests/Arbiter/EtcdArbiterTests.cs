using System.Diagnostics;
using System.Globalization;
using System.Net;
using Colo.Actors.Arbiter;
using Colo.Actors.Protocol;

namespace Colo.Actors.Tests.Arbiter;

public sealed class EtcdArbiterTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly VmId Vm = new("vm");
    private static readonly HostIdentity A = new(new HostId("a"), new Incarnation(1));
    private static readonly HostIdentity B = new(new HostId("b"), new Incarnation(1));

    /// <summary>A loopback address of this process alone: a port that was free on the common one a moment ago may be
    /// somebody's by now.</summary>
    private static string OwnAddress { get; } = string.Create(
        CultureInfo.InvariantCulture,
        $"127.{64 + (Environment.ProcessId >> 16)}.{Environment.ProcessId >> 8 & 255}.{Environment.ProcessId & 255}");

    [Fact]
    public async Task Nobody_there_is_unknown()
    {
        using HttpClient client = new(new Scripted(_ => throw new HttpRequestException("refused")));
        EtcdArbiter arbiter = Of(client, "http://one:2379/", "http://two:2379/");
        Assert.IsType<ArbiterAnswer.Unknown>(await arbiter.ReadAsync(Vm, default));
        Assert.IsType<ArbiterAnswer.Unknown>(await arbiter.CompareAndSetAsync(First(), default));
    }

    [Fact]
    public async Task The_second_endpoint_is_asked_when_the_first_is_away()
    {
        using HttpClient client = new(new Scripted(uri => uri.Host == "two" ? "{}" : throw new HttpRequestException("refused")));
        EtcdArbiter arbiter = Of(client, "http://one:2379/", "http://two:2379/");
        Assert.Equal(new ArbiterAnswer.Refused(null, ArbiterRefusal.NoRecord), await arbiter.ReadAsync(Vm, default));
    }

    [Fact]
    public async Task The_endpoint_that_answered_last_is_asked_first()
    {
        var asked = new List<string>();
        using HttpClient client = new(new Scripted(uri =>
        {
            asked.Add(uri.Host);
            return uri.Host == "two" ? "{}" : throw new HttpRequestException("refused");
        }));
        EtcdArbiter arbiter = Of(client, "http://one:2379/", "http://two:2379/");
        await arbiter.ReadAsync(Vm, default);
        await arbiter.ReadAsync(Vm, default);
        Assert.Equal(["one", "two", "two"], asked);
    }

    [Fact]
    public async Task A_lost_answer_to_a_transaction_is_not_a_no()
    {
        using HttpClient client = new(new Scripted(uri => uri.AbsolutePath.EndsWith("range", StringComparison.Ordinal)
            ? "{}" : throw new HttpRequestException("reset")));
        EtcdArbiter arbiter = Of(client, "http://one:2379/");
        Assert.IsType<ArbiterAnswer.Unknown>(await arbiter.CompareAndSetAsync(First(), default));
    }

    [Theory]
    [InlineData("{\"kvs\":[{\"value\":\"!!\",\"mod_revision\":\"3\"}]}")]
    [InlineData("{\"kvs\":[{\"value\":7}]}")]
    [InlineData("{\"kvs\":[null]}")]
    [InlineData("{\"kvs\":[{\"value\":\"eA==\",\"mod_revision\":\"3\"}]}")]
    [InlineData("not json")]
    public async Task A_value_that_is_no_record_is_unknown(string answer)
    {
        using HttpClient client = new(new Scripted(_ => answer));
        Assert.IsType<ArbiterAnswer.Unknown>(await Of(client, "http://one/").ReadAsync(Vm, default));
    }

    [Fact]
    [Trait("Category", "e2e")]
    public async Task A_real_etcd_grants_each_term_once()
    {
        string directory = Directory.CreateTempSubdirectory("colo-etcd-").FullName;
        string address = $"http://{OwnAddress}:2379";
        string peer = $"http://{OwnAddress}:2380";
        using Process etcd = StartEtcd(directory, address, peer);
        try
        {
            using HttpClient client = new() { Timeout = TimeSpan.FromSeconds(60) };
            EtcdArbiter arbiter = Of(client, "http://127.0.0.1:1/", address + "/");
            await Ready(arbiter);
            Assert.Equal(new ArbiterAnswer.Granted(First().Next), await arbiter.CompareAndSetAsync(First(), default));
            Assert.Equal(new ArbiterAnswer.Granted(First().Next), await arbiter.CompareAndSetAsync(First(), default));
            ArbiterProposal pair = Ask(1, A, B, A);
            Assert.Equal(new ArbiterAnswer.Granted(pair.Next), await arbiter.CompareAndSetAsync(pair, default));
            ArbiterAnswer[] answers = await Task.WhenAll(
                arbiter.CompareAndSetAsync(Ask(2, A, null, A), default).AsTask(),
                arbiter.CompareAndSetAsync(Ask(2, B, null, B), default).AsTask());
            Assert.Single(answers, answer => answer is ArbiterAnswer.Granted);
            Assert.Single(answers, answer => answer is ArbiterAnswer.Refused);
            etcd.Kill();
            await etcd.WaitForExitAsync();
            Assert.IsType<ArbiterAnswer.Unknown>(await arbiter.ReadAsync(Vm, default));
        }
        finally
        {
            if (!etcd.HasExited)
            {
                etcd.Kill();
                await etcd.WaitForExitAsync();
            }

            Directory.Delete(directory, recursive: true);
        }
    }

    private static EtcdArbiter Of(HttpClient client, params string[] endpoints) =>
        new(client, [.. endpoints.Select(endpoint => new Uri(endpoint))], "/colo/", Patience);

    private static async Task Ready(EtcdArbiter arbiter)
    {
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(2));
        while (await arbiter.ReadAsync(Vm, limit.Token) is ArbiterAnswer.Unknown unknown)
        {
            Assert.False(limit.IsCancellationRequested, $"etcd does not answer within 2 minutes: {unknown.Reason}");
            await Task.Yield();
        }
    }

    private static Process StartEtcd(string directory, string address, string peer)
    {
        ProcessStartInfo start = new("etcd")
        {
            ArgumentList =
            {
                "--data-dir", directory, "--listen-client-urls", address, "--advertise-client-urls", address, "--listen-peer-urls", peer,
                "--initial-advertise-peer-urls", peer, "--initial-cluster", $"default={peer}", "--logger", "zap", "--log-level", "error",
            },
        };
        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            throw new InvalidOperationException("etcd is not there: install etcd-server");
        }
    }

    private static ArbiterProposal First() => Ask(0, A, null, A);

    private static ArbiterProposal Ask(long expected, HostIdentity primary, HostIdentity? secondary, HostIdentity by) =>
        new(new Term(expected), new ArbiterRecord(Vm, new Term(expected + 1), primary, secondary), by, ArbiterClaim.InSync);

    private sealed class Scripted(Func<Uri, string> answer) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent(answer(request.RequestUri!)) });
    }
}
