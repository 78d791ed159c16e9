using System.Net.Sockets;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;
using Colo.Vmm.Links;
using Colo.Vmm.Net;

namespace Colo.Actors.Vm.Qemu;

/// <summary>
/// The links of one session between two hosts for one QEMU. The owner opens them, the joiner takes them; each is a data
/// link with a relay to a socket of the local QEMU, except the tether, which carries nothing and tells by its end that
/// the other host has let go.
/// <code>
/// CheckpointControl 0  migration and checkpoints     CheckpointControl 1  the tether
/// Disk d               NBD to the joiner's disk d    Mirror n, Compare n  frames of card n
/// </code>
/// </summary>
internal sealed class QemuSession : IDisposable
{
    private const int TetherChannel = 1;

    /// <summary>Added to the number of a Compare link whose frames go to Colo's comparer.</summary>
    private const int Marked = 32;

    // A QEMU that dies closes its sockets before it is seen to have ended, on a busy machine long before. In that time
    // the peer may take the guest over, and this host must not: to win the term with a dead QEMU would be to lose the
    // guest's memory. Nothing is lost by the wait if QEMU closed a socket for another reason: what it makes is held,
    // and COLO's own end is told by an event.
    private static readonly TimeSpan LocalGrace = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan ConnectRetry = TimeSpan.FromMilliseconds(20);

    private readonly QemuVmOptions options;
    private readonly Action<Message> report;
    private readonly Func<bool> guestLives;
    private readonly CancellationTokenSource ending = new();
    private readonly Lock gate = new();
    private readonly List<IDisposable> relays = [];
    private int resumed;
    private int reported;

    public QemuSession(QemuVmOptions options, HostId peer, Term term, int attempt, Action<Message> report, Func<bool> guestLives)
    {
        this.options = options;
        this.report = report;
        this.guestLives = guestLives;
        (Peer, Term, Attempt) = (peer, term, attempt);
        Ending = ending.Token;
    }

    public HostId Peer { get; }

    /// <summary>The term in which the session began; it names its links.</summary>
    public Term Term { get; }

    /// <summary>Counts the sessions of this process; part of the names inside QEMU.</summary>
    public int Attempt { get; }

    /// <summary>Set when the session is over.</summary>
    public CancellationToken Ending { get; }

    /// <summary>Owner: whether the comparer hears the secondary.</summary>
    public bool Comparing { get; set; } = true;

    /// <summary>Owner: opens the tether, trying until the joiner takes links.</summary>
    public void OpenTether() => _ = Task.Run(async () =>
    {
        if (await TryOpenAsync(LinkKind.CheckpointControl, TetherChannel).ConfigureAwait(false) is { } link)
        {
            await WatchAsync(link).ConfigureAwait(false);
        }
        else
        {
            Lost(ReplicationChannel.Control);
        }
    });

    /// <summary>Owner: stands for a socket of the joiner's QEMU on this host; QEMU connects to it once.</summary>
    public void Stand(string path, LinkKind kind, int channel)
    {
        Task<Socket> accepting = QemuRelay.AcceptAsync(path, Ending);
        _ = Task.Run(async () =>
        {
            try
            {
                Socket local = await accepting.ConfigureAwait(false);
                if (await TryOpenAsync(kind, channel).ConfigureAwait(false) is { } link)
                {
                    Join(local, link, null, ChannelOf(kind));
                }
                else
                {
                    local.Dispose();
                    Lost(ChannelOf(kind));
                }
            }
            catch (OperationCanceledException)
            {
                // The session is over.
            }
        });
    }

    /// <summary>Owner: connects a socket that the local QEMU listens on with the peer.</summary>
    /// <exception cref="IOException">One of the two does not answer.</exception>
    public async Task BridgeAsync(string path, LinkKind kind, int channel, bool hasHeader)
    {
        Socket local;
        try
        {
            local = QemuRelay.Connect(path);
        }
        catch (SocketException problem)
        {
            throw new IOException($"{path}: {problem.Message}", problem);
        }

        DataLink link = await TryOpenAsync(kind, channel).ConfigureAwait(false)
            ?? throw new IOException($"the {kind} link to {Peer} could not be opened");
        Join(local, link, kind == LinkKind.Compare ? new FrameGate(hasHeader, () => Comparing) : null, ChannelOf(kind));
    }

    /// <summary>Owner: the secondary's frames of a card, for Colo's comparer.</summary>
    /// <exception cref="IOException">The joiner does not answer.</exception>
    public async Task HearAsync(int nic, bool hasHeader, QemuCompareCard card)
    {
        DataLink link = await TryOpenAsync(LinkKind.Compare, Marked + nic).ConfigureAwait(false)
            ?? throw new IOException($"the {LinkKind.Compare} link to {Peer} could not be opened");
        Keep(link);
        _ = HearAsync(link, hasHeader, card);
    }

    /// <summary>Joiner: the guest runs on after a checkpoint.</summary>
    public void Resumed()
    {
        lock (gate)
        {
            resumed++;
            relays.OfType<QemuMarkedRelay>().ToList().ForEach(relay => relay.Mark());
        }
    }

    /// <summary>Joiner: takes a link that the owner has opened.</summary>
    public void Take(DataLink link)
    {
        if (link.Open.Kind == LinkKind.Compare && link.Open.Channel >= Marked)
        {
            TakeMarked(link, link.Open.Channel - Marked);
            return;
        }

        string? path = link.Open.Kind switch
        {
            LinkKind.CheckpointControl when link.Open.Channel == TetherChannel => null,
            LinkKind.CheckpointControl => options.Folder.Incoming,
            LinkKind.Disk => options.Folder.NbdServer,
            LinkKind.Mirror => options.Folder.Channel($"red{link.Open.Channel}-in"),
            LinkKind.Compare => options.Folder.Channel($"red{link.Open.Channel}-out"),
            _ => null,
        };
        if (path is null)
        {
            _ = WatchAsync(link);
            return;
        }

        try
        {
            Join(QemuRelay.Connect(path), link, null, ChannelOf(link.Open.Kind));
        }
        catch (SocketException problem)
        {
            options.Log($"{path}: {problem.Message}");
            link.Dispose();
            Lost(ChannelOf(link.Open.Kind));
        }
    }

    /// <summary>
    /// A link ended, or QEMU reported something that ends the session. When the local QEMU has died, its links end too,
    /// but then it is not the peer that is lost: to say so would make this host ask for a term that it cannot use.
    /// </summary>
    public void Lost(ReplicationChannel channel)
    {
        if (guestLives() && !Ending.IsCancellationRequested && Interlocked.Exchange(ref reported, 1) == 0)
        {
            report(new ReplicationLinkLost(new HostIdentity(Peer, default), channel));
        }
    }

    /// <summary>Cuts every link.</summary>
    public void Dispose()
    {
        ending.Cancel();
        lock (gate)
        {
            relays.ForEach(relay => relay.Dispose());
            relays.Clear();
        }
    }

    private void TakeMarked(DataLink link, int nic)
    {
        if (nic >= options.Guest.Nics.Count)
        {
            link.Dispose();
            return;
        }

        try
        {
            Socket local = QemuRelay.Connect(options.Folder.Channel($"red{nic}-out"));
            lock (gate)
            {
                Keep(new QemuMarkedRelay(
                    local, link, options.Guest.Nics[nic].HasVirtioHeader, resumed,
                    byLocal => _ = EndedAsync(byLocal, ReplicationChannel.Compare)));
            }
        }
        catch (SocketException problem)
        {
            options.Log($"the secondary's frames of card {nic}: {problem.Message}");
            link.Dispose();
            Lost(ReplicationChannel.Compare);
        }
    }

    private async Task HearAsync(DataLink link, bool hasHeader, QemuCompareCard card)
    {
        var reader = new FrameStreamReader(hasHeader);
        try
        {
            int length;
            while (reader.Error is null
                && (length = await link.Stream.ReadAsync(reader.FillMemory, Ending).ConfigureAwait(false)) > 0)
            {
                reader.Advance(length);
                while (reader.TryRead(out ReadOnlySpan<byte> payload, out int header) == FrameReadResult.Frame)
                {
                    card.FromSecondary(reader.EmptyFrames, payload, header);
                }
            }
        }
        catch (Exception problem) when (problem is IOException or ObjectDisposedException or SocketException
            or OperationCanceledException)
        {
            // Its end is told below.
        }

        link.Abort();
        Lost(ReplicationChannel.Compare);
    }

    private static ReplicationChannel ChannelOf(LinkKind kind) => kind switch
    {
        LinkKind.Disk => ReplicationChannel.Disk,
        LinkKind.Mirror => ReplicationChannel.Mirror,
        LinkKind.Compare => ReplicationChannel.Compare,
        _ => ReplicationChannel.Checkpoint,
    };

    private void Join(Socket local, DataLink link, FrameGate? frames, ReplicationChannel channel)
    {
        var relay = new QemuRelay(local, link, frames, byLocal => _ = EndedAsync(byLocal, channel));
        Keep(relay);
    }

    private async Task EndedAsync(bool byLocal, ReplicationChannel channel)
    {
        if (byLocal && channel == ReplicationChannel.Disk)
        {
            return; // QEMU let go of the peer's disk: a copy that ended; a failing one is told by the copy
        }

        if (byLocal)
        {
            await Task.Delay(LocalGrace, options.Time).ConfigureAwait(false);
        }

        Lost(channel);
    }

    private void Keep(IDisposable relay)
    {
        lock (gate)
        {
            if (!Ending.IsCancellationRequested)
            {
                relays.Add(relay);
                return;
            }
        }

        relay.Dispose();
    }

    private async Task WatchAsync(DataLink link)
    {
        Keep(link);
        try
        {
            await link.Stream.ReadAsync(new byte[1], Ending).ConfigureAwait(false);
        }
        catch (Exception problem) when (problem is IOException or ObjectDisposedException or OperationCanceledException)
        {
            // Its end is what was waited for.
        }

        link.Abort();
        Lost(ReplicationChannel.Control);
    }

    private async Task<DataLink?> TryOpenAsync(LinkKind kind, int channel)
    {
        var open = new LinkOpen(kind, channel, options.Vm.Name, (ulong)Term.Value, options.Self.Host.Name);
        using var patience = new CancellationTokenSource(options.StartTimeout, options.Time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Ending, patience.Token);
        while (true)
        {
            try
            {
                return await LinkConnector.ConnectAsync(options.PeerAddress(Peer), open, options.Security, limit.Token).ConfigureAwait(false);
            }
            catch (Exception problem) when (problem is IOException or SocketException or OperationCanceledException)
            {
                // The joiner may not have heard of its invitation yet, or its QEMU is being started.
                if (limit.IsCancellationRequested)
                {
                    return null;
                }

                await Task.Delay(ConnectRetry, options.Time).ConfigureAwait(false);
            }
        }
    }
}
