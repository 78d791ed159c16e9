using System.Net.Sockets;
using Colo.Vmm.Checkpoint;
using Colo.Vmm.Checkpoint.Secondary;
using Colo.Vmm.Machine;
using Colo.Vmm.Net.Backends;

namespace Colo.Vmm.Qmp.Replication;

/// <summary>
/// A migration to this machine, which has not run yet; with x-colo on both sides it goes on as the secondary's side
/// of COLO.
/// <code>
///   listening -> active -> completed: the guest runs here
///                   \- colo: guest runs, checkpoint* -> [broken: it waits] -> failover -> completed
/// </code>
/// Whoever else connects is a stranger, closed and counted (x-strangers of query-migrate).
/// A checkpoint is committed here alone: there is no arbiter, whoever drives the two monitors decides who lives on.
/// </summary>
internal sealed class IncomingMigration : ISecondaryCheckpointHooks, IDisposable
{
    private readonly VirtMachine _machine;
    private readonly MigrationState _state;
    private readonly ReplicationHooks _parts;
    private readonly Action _started;
    private readonly TimeProvider _time;
    private readonly Socket _listener;
    private readonly List<Socket> _sockets = [];
    private readonly ManualResetEventSlim _ended = new();
    private readonly ManualResetEventSlim _failover = new();
    private readonly Thread _thread;
    private bool _isColo;
    private bool _isYanked;
    private volatile bool _isDisposing;
    private volatile bool _isLoaded;
    private volatile string? _loadError;

    /// <param name="machine">Built as the source is, never started.</param>
    /// <param name="state">Shown to the operator.</param>
    /// <param name="parts">Disks and filters.</param>
    /// <param name="address">Where to listen.</param>
    /// <param name="started">Called when the guest runs here for the first time.</param>
    /// <param name="time">For durations.</param>
    /// <exception cref="IOException">Nobody can listen there.</exception>
    public IncomingMigration(
        VirtMachine machine, MigrationState state, ReplicationHooks parts, StreamEndpoint address, Action started,
        TimeProvider time)
    {
        _machine = machine;
        _state = state;
        _parts = parts;
        _started = started;
        _time = time;
        // Of TCP, Bind takes an address that only old connections have; the option ReuseAddress would share it with
        // another listener as well (SO_REUSEPORT).
        _listener = new Socket(
            address.AddressFamily, SocketType.Stream,
            address.UnixPath is null ? ProtocolType.Tcp : ProtocolType.Unspecified);
        try
        {
            _listener.Bind(address.Resolve());
            _listener.Listen(16);
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            _listener.Dispose();
            throw new IOException($"incoming {address}: {e.Message}", e);
        }

        _thread = new Thread(Run) { IsBackground = true, Name = "colo incoming" };
        _thread.Start();
    }

    public void FailOver()
    {
        _failover.Set();
        Yank();
    }

    public void Yank()
    {
        _listener.Dispose();
        lock (_sockets)
        {
            _isYanked = true;
            foreach (Socket socket in _sockets)
            {
                OutgoingMigration.Shut(socket);
            }
        }

        _ended.Set();
    }

    /// <summary>The machine ends. That is no takeover: neither its disk nor its network become the guest's.</summary>
    public void Dispose()
    {
        _isDisposing = true;
        FailOver();
        _thread.Join();
        _ended.Dispose();
        _failover.Dispose();
    }

    void ISecondaryCheckpointHooks.Paused(CheckpointStamp stamp) => _parts.All(part => part.Paused());

    bool ISecondaryCheckpointHooks.TryCommit(CheckpointStamp stamp) =>
        !_failover.IsSet && _parts.Each(part => part.Closing(stamp.Epoch)) is null;

    void ISecondaryCheckpointHooks.Loaded(CheckpointStamp stamp)
    {
        if (!_isLoaded)
        {
            _isLoaded = true;
            if (_isColo)
            {
                _state.Enter(ReplicationRole.Secondary);
                _loadError = _parts.Begin(ReplicationRole.Secondary);
                _state.SetStatus("colo");
            }

            _started();
        }

        _loadError ??= _parts.Each(part => part.Loaded(stamp.Epoch));
        // A plain migration ends when the source, told that all is loaded, closes the connection.
        if (_loadError is not null)
        {
            _ended.Set();
        }
    }

    void ISecondaryCheckpointHooks.Aborted(CheckpointStamp stamp, AbortReason reason)
    {
    }

    void ISecondaryCheckpointHooks.LoadFailed(CheckpointStamp stamp, string error)
    {
        _loadError = error;
        _ended.Set();
    }

    void ISecondaryCheckpointHooks.CheckpointWanted(CheckpointWantedReason reason)
    {
        // The receiver tells the primary on its own link.
    }

    void ISecondaryCheckpointHooks.LinkLost(LinkFailure failure) => _ended.Set();

    private void Run()
    {
        try
        {
            var listener = new MigrationListener(_listener, _time, _state.CountStranger);
            CheckpointLink link = MigrationLink.Accept(listener, _machine.Ram, Opened, out _isColo);
            _listener.Dispose();
            _state.SetStatus("setup");
            if (_isColo && !_state.IsColoWanted)
            {
                link.Dispose();
                _state.SetStatus("failed", "the source wants COLO and x-colo is off here");
                return;
            }

            _state.SetStatus("active");
            var machine = new ReplicaMachine(_machine, _parts);
            using (var receiver = new SecondaryCheckpointReceiver(machine, link, new SecondaryCheckpointOptions(),
                this, _time))
            {
                receiver.Start(isReplica: false);
                _ended.Wait();
                if (_isColo && _isLoaded && !_failover.IsSet)
                {
                    _state.Break(_loadError);
                    _failover.Wait();
                    Finish(receiver, wasBroken: true);
                    return;
                }

                Finish(receiver, wasBroken: false);
            }
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException)
        {
            _state.SetStatus("failed", e.Message);
        }
    }

    private void Finish(SecondaryCheckpointReceiver receiver, bool wasBroken)
    {
        receiver.Dispose();
        if (_isDisposing)
        {
            return;
        }

        if (receiver.Replica != ReplicaState.Replica || _loadError is not null)
        {
            _state.SetStatus("failed", _loadError ?? "the connection was lost before the guest was here");
            return;
        }

        if (!_isColo)
        {
            _state.SetStatus("completed");
            return;
        }

        _parts.End(ReplicationRole.Secondary);
        _state.Leave(wasBroken);
        _machine.Resume();
    }

    private void Opened(Socket socket)
    {
        lock (_sockets)
        {
            _sockets.Add(socket);
            if (_isYanked)
            {
                OutgoingMigration.Shut(socket);
            }
        }
    }
}
