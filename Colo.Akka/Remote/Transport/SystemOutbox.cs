using Akka.Remote.Serialization.Proto;

namespace Akka.Remote.Transport;

/// <summary>
/// System messages on their way to one incarnation of a peer: numbered from 1, kept until acknowledged, and all sent
/// again on a new link.
/// </summary>
internal sealed class SystemOutbox(int capacity, Func<TimeSpan> now)
{
    private readonly Queue<(SystemEnvelope Message, TimeSpan Since)> _unacknowledged = new();
    private ulong _lastNumber;

    internal bool IsEmpty => _unacknowledged.Count == 0;

    internal IEnumerable<SystemEnvelope> Unacknowledged => _unacknowledged.Select(kept => kept.Message);

    /// <summary>How long the oldest message has waited for its acknowledgement.</summary>
    internal TimeSpan LongestWait =>
        _unacknowledged.TryPeek(out var oldest) ? now() - oldest.Since : TimeSpan.Zero;

    /// <summary>Numbers a message and keeps it. False when there is no room: the pair can no longer agree on who
    /// lives.</summary>
    internal bool TryAdd(SystemEnvelope message)
    {
        if (_unacknowledged.Count >= capacity)
        {
            return false;
        }

        message.Number = ++_lastNumber;
        _unacknowledged.Enqueue((message, now()));
        return true;
    }

    internal void Acknowledge(ulong upTo)
    {
        while (_unacknowledged.TryPeek(out var oldest) && oldest.Message.Number <= upTo)
        {
            _unacknowledged.Dequeue();
        }
    }

    /// <summary>The peer has a new incarnation, to which nothing was sent yet.</summary>
    internal void Restart()
    {
        _unacknowledged.Clear();
        _lastNumber = 0;
    }
}
