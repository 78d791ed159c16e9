using System.Buffers;

namespace Akka.Remote.Transport.InMemory;

/// <summary>One end of a connection. What is flushed arrives at the other end whole, in order, after the network's
/// delay.</summary>
internal sealed class InMemoryLink : ILink
{
    private readonly InMemoryNetwork _network;
    private readonly InMemoryTransport _owner;
    private readonly ILinkHandler _handler;
    private readonly ArrayBufferWriter<byte> _output = new();
    private readonly Queue<byte[]> _underWay = new();
    private readonly Lock _gate = new();
    private InMemoryLink _other;
    private bool _delivering;
    private bool _closing;
    private bool _ended;

    private InMemoryLink(InMemoryNetwork network, InMemoryTransport owner, ILinkHandler handler)
    {
        _network = network;
        _owner = owner;
        _handler = handler;
    }

    public string Peer => _other._owner.Address.ToString();

    public IBufferWriter<byte> Output => _output;

    internal static (InMemoryLink Ours, InMemoryLink Theirs) CreatePair(
        InMemoryNetwork network, InMemoryTransport owner, ILinkHandler handler, InMemoryTransport other, ILinkHandler otherHandler)
    {
        var ours = new InMemoryLink(network, owner, handler);
        var theirs = new InMemoryLink(network, other, otherHandler) { _other = ours };
        ours._other = theirs;
        return (ours, theirs);
    }

    public bool Flush()
    {
        lock (_gate)
        {
            if (_output.WrittenCount > 0 && !_closing)
            {
                _underWay.Enqueue(_output.WrittenSpan.ToArray());
            }

            _output.Clear();
            StartDelivery();
        }

        return true;
    }

    public void Close()
    {
        lock (_gate)
        {
            _closing = true;
            StartDelivery();
        }
    }

    public void Abort() => Break(silently: false);

    /// <summary>Ends both ends; silently, the other end never learns of it.</summary>
    internal void Break(bool silently)
    {
        lock (_gate)
        {
            _closing = true;
            _underWay.Clear();
        }

        _network.After(TimeSpan.Zero, () => End("the connection was broken"));
        if (!silently)
        {
            _network.After(TimeSpan.Zero, () => _other.End("connection reset by peer"));
        }
    }

    private void StartDelivery()
    {
        if (!_delivering && !_ended)
        {
            _delivering = true;
            Schedule();
        }
    }

    private void Schedule()
    {
        var time = _network.Delay(_owner.Address, _other._owner.Address);
        _network.After(time ?? InMemoryNetwork.RetryInterval, () => Deliver(isCut: time is null));
    }

    private void Deliver(bool isCut)
    {
        byte[] packet;
        lock (_gate)
        {
            if (_ended)
            {
                return;
            }

            if (isCut)
            {
                Schedule();
                return;
            }

            if (!_underWay.TryDequeue(out packet))
            {
                _delivering = false;
                if (!_closing)
                {
                    return;
                }
            }
            else
            {
                Schedule();
            }
        }

        if (_other._ended && _network.Find(_other._owner.Address) is { } now && now != _other._owner)
        {
            // The host has started again and knows nothing of this connection.
            End("connection reset by peer");
        }
        else if (packet is not null && _network.Breaks(_owner.Address, _other._owner.Address))
        {
            Break(silently: false);
        }
        else if (packet is null)
        {
            _other.End("the peer closed the connection");
            End("closed");
        }
        else
        {
            _other.Receive(packet);
        }
    }

    private void Receive(byte[] packet)
    {
        if (_ended)
        {
            return;
        }

        try
        {
            var buffer = new ReadOnlySequence<byte>(packet);
            while (Framing.TryReadFrame(ref buffer, InMemoryTransport.MaximumFrameSize, out var kind, out var body))
            {
                _handler.FrameReceived(kind, body);
            }
        }
        catch (WireFormatException error)
        {
            End(error.Message, isProtocolError: true);
            _other.End("connection reset by peer");
        }
    }

    private void End(string text, bool isProtocolError = false)
    {
        lock (_gate)
        {
            if (_ended)
            {
                return;
            }

            _ended = true;
            _closing = true;
            _underWay.Clear();
        }

        _owner.Forget(this);
        _handler.Closed(new LinkClosed(text, isProtocolError));
    }
}
