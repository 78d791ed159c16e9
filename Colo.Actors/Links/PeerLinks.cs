using System.Net;
using Colo.Actors.Protocol;
using Colo.Actors.Protocol.Wire;
using Colo.Vmm.Links;
using Google.Protobuf;

namespace Colo.Actors.Links;

/// <summary>
/// The control links of a node: one to each peer over each network that both share, for what this node says, and those
/// that peers have opened here, for what they say. A message takes the first network that is up. Every link has threads
/// of its own, because a heartbeat that waits for a thread of the pool would make a healthy host look dead.
/// </summary>
public sealed class PeerLinks : IPeerTransport, IAsyncDisposable
{
    /// <summary>What a frame's message may have at most: the peer takes a longer one for none and ends the
    /// link.</summary>
    public const int MessageBytesMax = ControlFrame.LengthMax;

    private readonly HostIdentity self;
    private readonly IPeerLinkEvents events;
    private bool stopped;
    private readonly SortedDictionary<string, OutboundLink[]> outbound = new(StringComparer.Ordinal);
    private readonly Dictionary<DataLink, TaskCompletionSource> inbound = [];
    private readonly SortedDictionary<string, PeerEndpoint> peers = new(StringComparer.Ordinal);

    public PeerLinks(
        HostIdentity self, IReadOnlyList<PeerEndpoint> peers, LinkSecurity? security, TimeProvider time,
        IPeerLinkEvents events)
    {
        this.self = self;
        this.events = events;
        foreach (PeerEndpoint peer in peers)
        {
            this.peers[peer.Host.Name] = peer;
            outbound[peer.Host.Name] =
            [
                .. peer.Networks.Select((address, network) => new OutboundLink(
                    address, network, self.Host.Name, security, time, condition =>
                        events.LinkChanged(peer.Host, network, condition))),
            ];
        }
    }

    /// <summary>Where a peer takes data links: its first network.</summary>
    public IPEndPoint DataAddress(HostId peer) => peers[peer.Name].Networks[0];

    public void Send(HostId to, VmId vm, PeerMessage message) =>
        SendFirst(to, ControlFrame.Pack(ControlFrame.CoreMessage, PeerCodec.Encode(vm, message)));

    /// <summary>Sends a heartbeat to every peer over every network.</summary>
    public void Beat(WireHeartbeat heartbeat)
    {
        byte[] frame = ControlFrame.Pack(ControlFrame.Heartbeat, heartbeat.ToByteArray());
        foreach (OutboundLink[] links in outbound.Values)
        {
            foreach (OutboundLink link in links)
            {
                link.TrySend(frame);
            }
        }
    }

    /// <summary>Asks the witness; false when there is no link to it now.</summary>
    public bool Ask(HostId witness, WireArbiterRequest request) =>
        SendFirst(witness, ControlFrame.Pack(ControlFrame.ArbiterRequest, request.ToByteArray()));

    /// <summary>Answers as the witness.</summary>
    public bool Answer(HostId to, WireArbiterReply reply) =>
        SendFirst(to, ControlFrame.Pack(ControlFrame.ArbiterReply, reply.ToByteArray()));

    /// <summary>Tells one peer about this node; false when there is no link to it now.</summary>
    public bool Report(HostId to, WireNodeReport report) =>
        SendFirst(to, ControlFrame.Pack(ControlFrame.NodeReport, report.ToByteArray()));

    /// <summary>Gives an order to a peer's management; false when there is no link to it now.</summary>
    public bool Ask(HostId to, WireNodeRequest request) =>
        SendFirst(to, ControlFrame.Pack(ControlFrame.NodeRequest, request.ToByteArray()));

    /// <summary>Answers an order of a peer's management.</summary>
    public bool Answer(HostId to, WireNodeReply reply) =>
        SendFirst(to, ControlFrame.Pack(ControlFrame.NodeReply, reply.ToByteArray()));

    /// <summary>Whether a control link of this peer is wanted.</summary>
    public bool Knows(string peer) => peers.ContainsKey(peer);

    /// <summary>Takes over a control link that a peer has opened.</summary>
    public void Take(DataLink link)
    {
        DataLink? former;
        lock (inbound)
        {
            if (stopped)
            {
                link.Abort();
                return;
            }

            // A peer that opens a link anew has given the former up; nothing else would tell when a cable had been cut.
            former = inbound.Keys.FirstOrDefault(other =>
                other.Open.Host == link.Open.Host && other.Open.Channel == link.Open.Channel);
            inbound[link] = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        former?.Abort();
        new Thread(() => Read(link)) { IsBackground = true, Name = $"colo hears {link.Open.Host}" }.Start();
    }

    /// <summary>Returns when nothing more is heard or said: no thread of a link still works on a message.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (OutboundLink link in outbound.Values.SelectMany(links => links))
        {
            await link.DisposeAsync().ConfigureAwait(false);
        }

        Task[] reading;
        lock (inbound)
        {
            stopped = true;
            reading = [.. inbound.Values.Select(ended => ended.Task)];
            foreach (DataLink link in inbound.Keys)
            {
                link.Abort();
            }
        }

        await Task.WhenAll(reading).ConfigureAwait(false);
    }

    private bool SendFirst(HostId to, byte[] frame)
    {
        if (outbound.TryGetValue(to.Name, out OutboundLink[]? links))
        {
            foreach (OutboundLink link in links)
            {
                if (link.TrySend(frame))
                {
                    return true;
                }
            }
        }

        return false;
    }

    private void Read(DataLink link)
    {
        UrgentThread.Raise();
        string why = InboundLink.Read(link, Received);
        bool expected;
        TaskCompletionSource? ended;
        lock (inbound)
        {
            expected = stopped;
            inbound.Remove(link, out ended);
        }

        if (!expected)
        {
            events.Refused($"control link of {link.Open.Host} ended: {why}");
        }

        ended?.TrySetResult();
    }

    private bool Received(DataLink link, byte type, ReadOnlySpan<byte> payload)
    {
        try
        {
            switch (type)
            {
                case ControlFrame.Heartbeat:
                    WireHeartbeat beat = WireHeartbeat.Parser.ParseFrom(payload);
                    if (beat.From?.Host != link.Open.Host)
                    {
                        return false;
                    }

                    events.HeartbeatReceived(PeerCodec.FromWire(beat.From), link.Open.Channel, beat);
                    return true;
                case ControlFrame.CoreMessage:
                    if (!PeerCodec.TryDecode(payload, out VmId vm, out PeerMessage? message, out string? error))
                    {
                        events.Refused($"message of {link.Open.Host}: {error}");
                        return false;
                    }

                    // A peer speaks for itself only.
                    if (message.From.Host.Name != link.Open.Host)
                    {
                        return false;
                    }

                    events.MessageReceived(vm, message);
                    return true;
                case ControlFrame.ArbiterRequest:
                    events.ArbiterAsked(new HostId(link.Open.Host), WireArbiterRequest.Parser.ParseFrom(payload));
                    return true;
                case ControlFrame.ArbiterReply:
                    events.ArbiterReplied(WireArbiterReply.Parser.ParseFrom(payload));
                    return true;
                case ControlFrame.NodeReport:
                    events.ReportReceived(new HostId(link.Open.Host), WireNodeReport.Parser.ParseFrom(payload));
                    return true;
                case ControlFrame.NodeRequest:
                    events.NodeAsked(new HostId(link.Open.Host), WireNodeRequest.Parser.ParseFrom(payload));
                    return true;
                default:
                    events.NodeReplied(new HostId(link.Open.Host), WireNodeReply.Parser.ParseFrom(payload));
                    return true;
            }
        }
        catch (InvalidProtocolBufferException problem)
        {
            events.Refused($"frame of {link.Open.Host}: {problem.Message}");
            return false;
        }
        catch (Exception problem) when (problem is not InvariantViolationException)
        {
            // This thread is the link's own: what a peer can make throw here would end the process, and it shall only
            // end the link.
            events.Refused($"frame of {link.Open.Host} makes no sense: {problem.GetType().Name}: {problem.Message}");
            return false;
        }
    }
}
