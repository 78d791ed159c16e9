using System.Collections.Concurrent;
using System.Security.Cryptography;
using Colo.Actors.Links;
using Colo.Actors.Protocol;
using Colo.Actors.Protocol.Wire;

namespace Colo.Host.Cluster;

/// <summary>Orders from this node's management to that of another, and their answers. Any thread.</summary>
public sealed class NodeOrders(HostId self, Func<PeerLinks> links, TimeProvider time)
{
    /// <summary>Characters of an answer, of four bytes at most: it must go into a frame.</summary>
    private const int TextMax = 8 << 10;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>A link that broke is open again after a tenth of this; a peer that is heard may not have one
    /// yet.</summary>
    private static readonly TimeSpan LinkPatience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50);

    private readonly ConcurrentDictionary<ulong, TaskCompletionSource<WireNodeReply>> waiting = new();

    // From anywhere: a peer may still answer an order of this node's former life.
    private ulong last = (ulong)RandomNumberGenerator.GetInt32(int.MaxValue) << 31;

    /// <summary>Carries out an order here; set once before the first can arrive.</summary>
    public Func<string, string, string, Task<Outcome>> Here { get; set; } = (_, _, _) =>
        Task.FromResult(Outcome.Refused("not ready"));

    /// <summary>Gives an order to a node, which may be this one, and waits for its answer.</summary>
    public async Task<Outcome> AskAsync(string node, string verb, string name, string body)
    {
        if (node == self.Name)
        {
            return await Here(verb, name, body).ConfigureAwait(false);
        }

        ulong number = Interlocked.Increment(ref last);
        var answered = new TaskCompletionSource<WireNodeReply>(TaskCreationOptions.RunContinuationsAsynchronously);
        waiting[number] = answered;
        try
        {
            var request = new WireNodeRequest { Request = number, Verb = verb, Name = name, Body = body };
            if (request.CalculateSize() > PeerLinks.MessageBytesMax)
            {
                return Outcome.Refused(
                    $"the order has {request.CalculateSize()} bytes, at most {PeerLinks.MessageBytesMax} go to {node}");
            }

            if (!await SentAsync(() => links().Ask(new HostId(node), request)).ConfigureAwait(false))
            {
                return Outcome.Refused($"{node} cannot be reached");
            }

            WireNodeReply reply = await answered.Task.WaitAsync(Patience, time).ConfigureAwait(false);
            return reply.Done ? Outcome.Done(reply.Text) : new Outcome(StateOf(reply), $"{node}: {reply.Text}", []);
        }
        catch (TimeoutException)
        {
            return new Outcome("unknown", $"{node} has not answered within {Patience.TotalSeconds} s", []);
        }
        finally
        {
            waiting.TryRemove(number, out _);
        }
    }

    public void Replied(WireNodeReply reply)
    {
        if (waiting.TryGetValue(reply.Request, out TaskCompletionSource<WireNodeReply>? answered))
        {
            answered.TrySetResult(reply);
        }
    }

    /// <summary>Takes a peer's order; returns at once and answers later.</summary>
    public void Asked(HostId from, WireNodeRequest request) => _ = Task.Run(async () =>
    {
        Outcome outcome;
        try
        {
            outcome = await Here(request.Verb, request.Name, request.Body).ConfigureAwait(false);
        }
        catch (Exception problem)
        {
            // Whatever it was, the node that asked must not have to wait for its time-out.
            outcome = Outcome.Failed($"{problem.GetType().Name}: {problem.Message}");
        }

        string text = outcome.Errors.Count == 0 ? outcome.Text : string.Join("; ", outcome.Errors);
        if (text.Length > TextMax)
        {
            text = string.Concat(text.AsSpan(0, TextMax), "...");
        }

        var reply = new WireNodeReply
        {
            Request = request.Request, Done = outcome.IsDone, Text = text, State = outcome.State,
        };
        await SentAsync(() => links().Answer(from, reply)).ConfigureAwait(false);
    });

    /// <summary>
    /// Only a node that says so has changed nothing: without its word the order may have been half carried out.
    /// </summary>
    private static string StateOf(WireNodeReply reply) =>
        reply.State is "refused" or "invalid" or "unknown" ? reply.State : "failed";

    /// <summary>Tries until there is a link or the time for that is over.</summary>
    private async Task<bool> SentAsync(Func<bool> send)
    {
        long began = time.GetTimestamp();
        while (!send())
        {
            if (time.GetElapsedTime(began) > LinkPatience)
            {
                return false;
            }

            await Task.Delay(Look, time).ConfigureAwait(false);
        }

        return true;
    }
}
