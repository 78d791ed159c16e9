using Akka.Actor;

namespace Colo.Host.Node;

/// <summary>An actor of the node and how long it took to answer: the wait in its mailbox.</summary>
/// <param name="AnsweredMs">Null when it has not answered within a second.</param>
public sealed record ActorView(string Path, double? AnsweredMs)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    /// <summary>Every actor below /user, asked now.</summary>
    public static async Task<IReadOnlyList<ActorView>> AllAsync(ActorSystem system, TimeProvider time)
    {
        IActorRef root = await system.ActorSelection("/user/node").ResolveOne(Patience).ConfigureAwait(false);
        var paths = new List<IActorRef>();
        Collect(root, paths);
        return [.. await Task.WhenAll(paths.Select(actor => AskAsync(actor, time))).ConfigureAwait(false)];
    }

    private static void Collect(IActorRef actor, List<IActorRef> found)
    {
        found.Add(actor);
        if (actor is ActorRefWithCell cell)
        {
            foreach (IActorRef child in cell.Children.OrderBy(child => child.Path.Name, StringComparer.Ordinal))
            {
                Collect(child, found);
            }
        }
    }

    private static async Task<ActorView> AskAsync(IActorRef actor, TimeProvider time)
    {
        string path = "/" + string.Join('/', actor.Path.Elements);
        long began = time.GetTimestamp();
        try
        {
            await actor.Ask<ActorIdentity>(new Identify(path), Patience).ConfigureAwait(false);
            return new ActorView(path, time.GetElapsedTime(began).TotalMilliseconds);
        }
        catch (AskTimeoutException)
        {
            return new ActorView(path, null);
        }
    }
}
