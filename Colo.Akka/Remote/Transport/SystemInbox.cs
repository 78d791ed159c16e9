namespace Akka.Remote.Transport;

/// <summary>
/// What has arrived of one peer's numbered system messages. A new link repeats what was not acknowledged; a new
/// incarnation starts over. Links of the same peer may overlap, so it is locked.
/// </summary>
internal sealed class SystemInbox
{
    private readonly Lock _gate = new();
    private int? _uid;
    private ulong _upTo;

    /// <summary>Runs <paramref name="deliver"/> when the message is the next one; answers with what to
    /// acknowledge.</summary>
    internal ulong Receive(int uid, ulong number, Action deliver)
    {
        lock (_gate)
        {
            if (_uid != uid)
            {
                _uid = uid;
                _upTo = 0;
            }

            if (number == _upTo + 1)
            {
                _upTo = number;
                deliver();
            }

            // Anything else is a repetition, or comes after a gap that the sender will fill on its next link.
            return _upTo;
        }
    }
}
