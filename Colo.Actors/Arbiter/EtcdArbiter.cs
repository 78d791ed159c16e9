using System.Globalization;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Colo.Actors.Protocol;

namespace Colo.Actors.Arbiter;

/// <summary>
/// The record in etcd, by its JSON gateway (etcd documentation, "API gRPC gateway", version 3): a range request reads,
/// a transaction that compares the key's modification revision writes. Any number of endpoints of one cluster, tried in
/// turn, first the one that answered last. A request whose answer is lost is Unknown unless reading again shows that it
/// has won; that it has not won yet is no "no", because it may still be on its way.
/// </summary>
/// <param name="client">Carries TLS and authentication.</param>
/// <param name="prefix">Begins every key, for example <c>/colo/arbiter/</c>.</param>
/// <param name="timeout">What callers wait for an answer. An endpoint that is silent takes a share of it, so that the
/// others are asked in time; the last in turn has all that is left.</param>
public sealed class EtcdArbiter(HttpClient client, IReadOnlyList<Uri> endpoints, string prefix, TimeSpan timeout)
    : IArbiter
{
    private int answeredLast;

    private sealed record Stored(ArbiterRecord? Record, long ModRevision);

    public async ValueTask<ArbiterAnswer> ReadAsync(VmId vm, CancellationToken cancellation)
    {
        (Stored? stored, string trouble) = await FetchAsync(vm, cancellation).ConfigureAwait(false);
        return stored is null ? new ArbiterAnswer.Unknown(trouble) : ArbiterRules.Read(stored.Record);
    }

    public async ValueTask<ArbiterAnswer> CompareAndSetAsync(ArbiterProposal proposal, CancellationToken cancellation)
    {
        VmId vm = proposal.Next.Vm;
        (Stored? stored, string trouble) = await FetchAsync(vm, cancellation).ConfigureAwait(false);
        if (stored is null)
        {
            return new ArbiterAnswer.Unknown(trouble);
        }

        ArbiterAnswer decided = ArbiterRules.Decide(stored.Record, proposal);
        if (decided is not ArbiterAnswer.Granted || stored.Record == proposal.Next)
        {
            return decided;
        }

        JsonObject transaction = Transaction(vm, stored.ModRevision, proposal.Next);
        (JsonNode? answer, string failure) = await PostAsync("v3/kv/txn", transaction, cancellation).ConfigureAwait(false);
        if (answer is not null && answer["succeeded"]?.GetValue<bool>() == true)
        {
            return new ArbiterAnswer.Granted(proposal.Next);
        }

        // Not won, or not known: the record itself tells.
        (Stored? after, string second) = await FetchAsync(vm, cancellation).ConfigureAwait(false);
        if (after is null)
        {
            return new ArbiterAnswer.Unknown($"{failure} {second}".Trim());
        }

        return after.Record == proposal.Next ? new ArbiterAnswer.Granted(proposal.Next)
            : after.ModRevision != stored.ModRevision ? new ArbiterAnswer.Refused(after.Record, ArbiterRefusal.TermMoved)
            : new ArbiterAnswer.Unknown($"the transaction is not done: {failure}");
    }

    private async Task<(Stored? Stored, string Trouble)> FetchAsync(VmId vm, CancellationToken cancellation)
    {
        JsonObject request = new() { ["key"] = Key(vm) };
        (JsonNode? answer, string trouble) = await PostAsync("v3/kv/range", request, cancellation).ConfigureAwait(false);
        if (answer is null)
        {
            return (null, trouble);
        }

        if (answer["kvs"] is not JsonArray { Count: > 0 } values)
        {
            return (new Stored(null, 0), string.Empty);
        }

        return Parse(values[0]) is { Record: { } record } stored && record.Vm == vm
            ? (stored, string.Empty)
            : (null, $"the value of {prefix}{vm.Name} is not an undamaged record");
    }

    private static Stored? Parse(JsonNode? value)
    {
        try
        {
            string text = Encoding.UTF8.GetString(Convert.FromBase64String(value?["value"]?.GetValue<string>() ?? string.Empty));
            string? revision = value?["mod_revision"]?.GetValue<string>();
            return long.TryParse(revision, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
                ? new Stored(ArbiterRecordText.Decode(text), number)
                : null;
        }
        catch (Exception malformed) when (malformed is FormatException or InvalidOperationException)
        {
            return null;
        }
    }

    private JsonObject Transaction(VmId vm, long modRevision, ArbiterRecord next) => new()
    {
        ["compare"] = new JsonArray(new JsonObject
        {
            ["key"] = Key(vm),
            ["target"] = "MOD",
            ["result"] = "EQUAL",
            ["mod_revision"] = modRevision.ToString(CultureInfo.InvariantCulture),
        }),
        ["success"] = new JsonArray(new JsonObject
        {
            ["request_put"] = new JsonObject
            {
                ["key"] = Key(vm),
                ["value"] = Convert.ToBase64String(Encoding.UTF8.GetBytes(ArbiterRecordText.Encode(next))),
            },
        }),
    };

    private string Key(VmId vm) => Convert.ToBase64String(Encoding.UTF8.GetBytes(prefix + Uri.EscapeDataString(vm.Name)));

    /// <summary>The first endpoint that answers. A transaction is safe to send twice: its comparison fails the second
    /// time.</summary>
    private async Task<(JsonNode? Answer, string Trouble)> PostAsync(string path, JsonObject body, CancellationToken cancellation)
    {
        string trouble = "no endpoint is configured";
        int first = Volatile.Read(ref answeredLast);
        for (int turn = 0; turn < endpoints.Count; turn++)
        {
            int index = (first + turn) % endpoints.Count;
            Uri endpoint = endpoints[index];
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            if (turn < endpoints.Count - 1)
            {
                limit.CancelAfter(timeout / (endpoints.Count + 1));
            }

            try
            {
                using StringContent content = new(body.ToJsonString(), Encoding.UTF8, "application/json");
                using HttpResponseMessage response = await client.PostAsync(
                    new Uri(endpoint, path), content, limit.Token).ConfigureAwait(false);
                if (response.IsSuccessStatusCode)
                {
                    JsonNode? answer = await response.Content.ReadFromJsonAsync<JsonNode>(limit.Token)
                        .ConfigureAwait(false);
                    Volatile.Write(ref answeredLast, index);
                    return (answer, string.Empty);
                }

                trouble = $"{endpoint} answers {(int)response.StatusCode}";
            }
            catch (Exception failed) when (failed is HttpRequestException or OperationCanceledException or JsonException
                or FormatException or IOException)
            {
                trouble = $"{endpoint}: {failed.Message}";
                if (cancellation.IsCancellationRequested)
                {
                    break;
                }
            }
        }

        return (null, trouble);
    }
}
