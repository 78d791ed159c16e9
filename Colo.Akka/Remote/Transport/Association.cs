using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Event;
using Akka.Dispatch;
using Akka.Remote.Serialization.Proto;

namespace Akka.Remote.Transport;

/// <summary>
/// Everything this system sends to one other address, over a link that it opens itself (the peer does the same for its
/// direction).
/// <code>
/// idle --message--> connecting --welcome--> active --link lost--> gated --time or the peer calls--> idle
/// </code>
/// Messages keep their order. User messages that wait are bounded; while gated they go to dead letters. System messages
/// are kept until the peer acknowledges them, across links, as long as it is the same incarnation. An incarnation that
/// was quarantined is never talked to again. Senders run on any thread; everything else runs in <see cref="Run"/>, one
/// at a time, on the remoting dispatcher.
/// </summary>
internal sealed class Association : IRunnable
{
    // Long enough that the cost of scheduling does not show, short enough that commands are not kept waiting.
    private const int MessagesPerRun = 1024;
    private const int MessagesPerFlush = 64;

    private readonly Remoting _remoting;
    private readonly ConcurrentQueue<AssociationCommand> _commands = new();
    private readonly ConcurrentQueue<OutboundMessage> _messages = new();
    private readonly ConcurrentDictionary<int, bool> _quarantined = new();
    private readonly SystemOutbox _outbox;
    private readonly FailureDetector _linkDetector;
    private volatile Phase _phase = Phase.Idle;
    private int _queued;
    private int _scheduled;
    private int _generation;
    private int _gate;
    private int? _peerUid;
    private bool _writable;
    private ILink _link;
    private OutboundLink _handler;
    private MessageEncoder _encoder;
    private long _heardBefore;
    private TimeSpan _silentSince;
    private TaskCompletionSource _finishing;

    internal Association(Remoting remoting, Address remote)
    {
        _remoting = remoting;
        Remote = remote;
        _outbox = new SystemOutbox(remoting.Settings.SysMsgBufferSize, () => remoting.Now);
        _linkDetector = remoting.CreateLinkDetector();
    }

    private enum Phase
    {
        Idle,
        Connecting,
        Active,
        Gated,
        Finished,
    }

    internal Address Remote { get; }

    internal SystemInbox Inbox { get; } = new();

    internal bool IsQuarantined(int uid) => _quarantined.ContainsKey(uid);

    /// <summary>Queues a message. Never blocks and never throws for what the network does.</summary>
    internal void Send(in OutboundMessage message)
    {
        if (!message.IsSystem)
        {
            if (_phase is Phase.Gated or Phase.Finished)
            {
                _remoting.ToDeadLetters(message);
                return;
            }

            if (Interlocked.Increment(ref _queued) > _remoting.Settings.OutboundQueueSize)
            {
                Interlocked.Decrement(ref _queued);
                _remoting.Drop(message, $"the outbound queue for {Remote} is full ({_remoting.Settings.OutboundQueueSize} messages)");
                return;
            }
        }

        _messages.Enqueue(message);
        Schedule();
    }

    internal void Tell(AssociationCommand command)
    {
        _commands.Enqueue(command);
        Schedule();
    }

    public void Execute() => Run();

    public void Run()
    {
        try
        {
            while (_commands.TryDequeue(out var command))
            {
                Handle(command);
            }

            Pump();
        }
        catch (Exception error)
        {
            // A defect here must not take the thread, and with it the process, down.
            _remoting.Log.Error(error, "The association with {0} has failed", Remote);
            Lose(error.Message);
        }
        finally
        {
            Volatile.Write(ref _scheduled, 0);
            if (!_commands.IsEmpty || (!_messages.IsEmpty && CanPump))
            {
                Schedule();
            }
        }
    }

    private bool CanPump => _phase is not Phase.Connecting && (_phase != Phase.Active || _writable);

    private void Schedule()
    {
        if (Interlocked.Exchange(ref _scheduled, 1) == 0)
        {
            _remoting.Schedule(this);
        }
    }

    private void Handle(AssociationCommand command)
    {
        if (command is AssociationCommand.FromLink stale && stale.Generation != _generation)
        {
            (stale as AssociationCommand.Opened)?.Link.Abort();
            return;
        }

        switch (command)
        {
            case AssociationCommand.Opened opened:
                _link = opened.Link;
                Wire.Write(_link.Output, FrameKind.Hello, new Hello
                {
                    From = Wire.ToData(_remoting.LocalAddress),
                    Uid = _remoting.Uid,
                    To = Wire.ToData(Remote),
                });
                _link.Flush();
                break;
            case AssociationCommand.Welcomed welcomed when _phase == Phase.Connecting:
                Welcomed(welcomed.Uid);
                break;
            case AssociationCommand.Acknowledged acknowledged:
                _outbox.Acknowledge(acknowledged.UpTo);
                break;
            case AssociationCommand.Writable:
                _writable = true;
                break;
            case AssociationCommand.Refused refused:
                Refused(refused);
                break;
            case AssociationCommand.Parted parted:
                Parted(parted.Reason);
                break;
            case AssociationCommand.HandshakeTimedOut when _phase == Phase.Connecting:
                Lose($"no answer to the handshake within {_remoting.Settings.HandshakeTimeout}");
                break;
            case AssociationCommand.Closed closed:
                Lose(closed.Reason.Text);
                break;
            case AssociationCommand.GateOver over when over.Gate == _gate && _phase == Phase.Gated:
                OpenGate();
                break;
            case AssociationCommand.PeerConnected peer:
                PeerConnected(peer.Uid);
                break;
            case AssociationCommand.Quarantine quarantine:
                Quarantine(quarantine.Uid);
                break;
            case AssociationCommand.Beat:
                Beat();
                break;
            case AssociationCommand.Finish finish:
                _finishing = finish.Done;
                break;
            default:
                // A welcome or a timeout that comes after the link has moved on.
                break;
        }
    }

    private void Connect()
    {
        _phase = Phase.Connecting;
        var generation = ++_generation;
        _handler = new OutboundLink(this, generation);
        _remoting.After(_remoting.Settings.HandshakeTimeout, () => Tell(new AssociationCommand.HandshakeTimedOut(generation)));
        _remoting.Transport.Connect(Remote, _handler);
    }

    private void Welcomed(int uid)
    {
        if (IsQuarantined(uid))
        {
            _outbox.Restart();
            Lose($"its incarnation {uid} is quarantined");
            return;
        }

        NotePeer(uid);
        _phase = Phase.Active;
        _writable = true;
        _encoder = new MessageEncoder(_remoting, _link.Output);
        _linkDetector.HeartBeat();
        foreach (var message in _outbox.Unacknowledged)
        {
            Wire.Write(_link.Output, FrameKind.SystemEnvelope, message);
        }

        _writable = _link.Flush();
        _remoting.Publish(new AssociatedEvent(_remoting.LocalAddress, Remote, inbound: false));
    }

    // System messages are numbered for an incarnation. What the last one did not acknowledge died with it.
    private void NotePeer(int uid)
    {
        if (_peerUid is { } before && before != uid)
        {
            _outbox.Restart();
            _remoting.PeerRestarted(Remote, uid);
        }

        _peerUid = uid;
    }

    private void PeerConnected(int uid)
    {
        if (_phase == Phase.Active && _peerUid != uid)
        {
            // Our link still leads to the incarnation before; it is as dead as that is.
            DropLink();
            _phase = Phase.Idle;
            _remoting.Publish(new DisassociatedEvent(_remoting.LocalAddress, Remote, inbound: false));
        }

        if (_phase is Phase.Idle or Phase.Gated)
        {
            NotePeer(uid);
        }

        if (_phase == Phase.Gated)
        {
            OpenGate();
        }
    }

    private void Pump()
    {
        switch (_phase)
        {
            case Phase.Idle when !_messages.IsEmpty || !_outbox.IsEmpty:
                Connect();
                break;
            case Phase.Active:
                PumpToLink();
                break;
            case Phase.Gated or Phase.Finished:
                DrainToDeadLetters();
                break;
            default:
                break;
        }

        if (_finishing is not null && (_phase != Phase.Active || (_messages.IsEmpty && _writable)) && _phase != Phase.Connecting)
        {
            Finish();
        }
    }

    private void PumpToLink()
    {
        var written = 0;
        using var scope = _encoder.Enter();
        while (_writable && written < MessagesPerRun && _messages.TryDequeue(out var message))
        {
            written++;
            if (message.IsSystem)
            {
                WriteSystem(message);
            }
            else
            {
                Interlocked.Decrement(ref _queued);
                _encoder.Write(message);
            }

            if (written % MessagesPerFlush == 0)
            {
                _writable = _link.Flush();
            }
        }

        if (_writable && written % MessagesPerFlush != 0)
        {
            _writable = _link.Flush();
        }
    }

    private void WriteSystem(in OutboundMessage message)
    {
        if (Keep(message) is { } kept)
        {
            Wire.Write(_link.Output, FrameKind.SystemEnvelope, kept);
        }
    }

    private SystemEnvelope Keep(in OutboundMessage message)
    {
        var envelope = SystemMessages.Encode(message, _remoting.LocalAddress);
        if (envelope is null)
        {
            return null;
        }

        if (_outbox.TryAdd(envelope))
        {
            return envelope;
        }

        _remoting.Log.Error(
            "The buffer of unacknowledged system messages to {0} is full ({1}); the address is quarantined", Remote, _remoting.Settings.SysMsgBufferSize);
        Tell(new AssociationCommand.Quarantine(_peerUid));
        return null;
    }

    private void DrainToDeadLetters()
    {
        while (_messages.TryDequeue(out var message))
        {
            if (message.IsSystem)
            {
                if (_phase != Phase.Finished)
                {
                    Keep(message);
                }
            }
            else
            {
                Interlocked.Decrement(ref _queued);
                _remoting.ToDeadLetters(message);
            }
        }
    }

    private void Refused(AssociationCommand.Refused refused)
    {
        if (refused.Reason == RefusalReason.RefusalQuarantined)
        {
            _remoting.Publish(new ThisActorSystemQuarantinedEvent(_remoting.LocalAddress, Remote));
        }

        Lose($"the peer refused: {refused.Text}");
    }

    private void Parted(GoodbyeReason reason)
    {
        if (reason == GoodbyeReason.GoodbyeQuarantined)
        {
            _remoting.Publish(new ThisActorSystemQuarantinedEvent(_remoting.LocalAddress, Remote));
        }

        Lose(reason == GoodbyeReason.GoodbyeShutdown ? "the peer shut down" : "the peer closed the association");
    }

    private void Lose(string reason)
    {
        var wasActive = _phase == Phase.Active;
        DropLink();
        if (_phase == Phase.Finished)
        {
            return;
        }

        Gate();
        var cause = new RemoteTransportException(
            wasActive
                ? $"Association with remote system {Remote} has failed; address is now gated for {_remoting.Settings.RetryGateClosedFor.TotalMilliseconds} ms. Reason: [{reason}]"
                : $"Tried to associate with unreachable remote address [{Remote}]. Address is now gated for {_remoting.Settings.RetryGateClosedFor.TotalMilliseconds} ms, all messages to this address will be delivered to dead letters. Reason: [{reason}]");
        if (wasActive)
        {
            _remoting.Publish(new DisassociatedEvent(_remoting.LocalAddress, Remote, inbound: false));
        }

        _remoting.Publish(new AssociationErrorEvent(
            cause, _remoting.LocalAddress, Remote, inbound: false, Event.LogLevel.WarningLevel));
        DrainToDeadLetters();
    }

    private void DropLink()
    {
        _silentSince = _phase == Phase.Active ? _remoting.Now : _silentSince;
        _generation++;
        _link?.Close();
        _link = null;
        _handler = null;
        _encoder = null;
    }

    private void Gate()
    {
        _phase = Phase.Gated;
        var gate = ++_gate;
        _remoting.After(_remoting.Settings.RetryGateClosedFor, () => Tell(new AssociationCommand.GateOver(gate)));
    }

    private void OpenGate()
    {
        _gate++;
        _phase = Phase.Idle;
    }

    private void Quarantine(int? uid)
    {
        if ((uid ?? _peerUid) is not { } known || !_quarantined.TryAdd(known, true))
        {
            return;
        }

        if (_peerUid is null || _peerUid == known)
        {
            if (_phase == Phase.Active && _writable)
            {
                Wire.Write(_link.Output, FrameKind.Goodbye, new Goodbye { Reason = GoodbyeReason.GoodbyeQuarantined });
                _link.Flush();
            }

            DropLink();
            _outbox.Restart();
            Gate();
            DrainToDeadLetters();
            _outbox.Restart();
        }

        _remoting.CloseInbound(Remote, known);
        _remoting.Publish(new QuarantinedEvent(Remote, known));
    }

    /// <summary>
    /// True when there is no hope left for this peer: it has not acknowledged a system message for too long, so the two
    /// can no longer agree on who lives, or it has been gone for too long.
    /// </summary>
    private bool GiveUp()
    {
        var isDeaf = _outbox.LongestWait > _remoting.Settings.InitialSysMsgDeliveryTimeout;
        var isGone = _phase != Phase.Active && _peerUid is { } uid && !IsQuarantined(uid)
            && _remoting.Settings.QuarantineSilentSystemTimeout is { } patience && patience > TimeSpan.Zero
            && _remoting.Now - _silentSince > patience;
        if (isDeaf)
        {
            _remoting.Log.Error(
                "System messages to {0} were not acknowledged within {1}; the address is given up", Remote,
                _remoting.Settings.InitialSysMsgDeliveryTimeout);
            _outbox.Restart();
        }

        if (isDeaf || isGone)
        {
            Quarantine(_peerUid);
        }

        return isDeaf || isGone;
    }

    private void Beat()
    {
        if (GiveUp() || _phase != Phase.Active)
        {
            return;
        }

        var heard = _handler.Heard;
        if (heard != _heardBefore)
        {
            _heardBefore = heard;
            _linkDetector.HeartBeat();
        }
        else if (!_linkDetector.IsAvailable)
        {
            _link.Abort();
            Lose("the peer has not answered for longer than the transport failure detector allows");
            return;
        }

        // A link that is behind has enough on its way.
        if (_writable)
        {
            Wire.WriteHeartbeat(_link.Output);
            _writable = _link.Flush();
        }
    }

    private void Finish()
    {
        if (_phase == Phase.Active)
        {
            Wire.Write(_link.Output, FrameKind.Goodbye, new Goodbye { Reason = GoodbyeReason.GoodbyeShutdown });
            _link.Flush();
        }

        _phase = Phase.Finished;
        DropLink();
        DrainToDeadLetters();
        _finishing.TrySetResult();
        _finishing = null;
    }
}
