using System.Net.Sockets;
using Colo.Vmm.Checkpoint;
using Colo.Vmm.Checkpoint.Primary;
using Colo.Vmm.Machine;
using Colo.Vmm.Net.Backends;

namespace Colo.Vmm.Qmp.Replication;

/// <summary>
/// One migration away from this machine, on a thread of its own; with x-colo it goes on as the primary's side of
/// COLO.
/// <code>
///   setup -> active (memory is copied while the guest runs) -> completed: the guest stands here and runs there
///                 \- x-colo -> colo: checkpoint* -> [broken: the guest waits] -> failover -> completed
/// </code>
/// A checkpoint is taken when x-checkpoint-delay is over or a part asks for one. Errors are states, never exceptions.
/// </summary>
internal sealed class OutgoingMigration : IPrimaryCheckpointHooks, IDisposable
{
    private static readonly TimeSpan LinkLook = TimeSpan.FromMilliseconds(100);

    private readonly VirtMachine _machine;
    private readonly StandingMachine _standing;
    private readonly MigrationState _state;
    private readonly ReplicationHooks _parts;
    private readonly StreamEndpoint _peer;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _ending = new();
    private readonly AutoResetEvent _wanted = new(false);
    private readonly ManualResetEventSlim _failover = new();
    private readonly List<Socket> _sockets = [];
    private readonly Thread _thread;
    private ulong _epoch;
    private volatile bool _isDisposing;
    private string? _error;

    public OutgoingMigration(
        VirtMachine machine, MigrationState state, ReplicationHooks parts, StreamEndpoint peer, TimeProvider time)
    {
        _machine = machine;
        _standing = new StandingMachine(machine, parts);
        _state = state;
        _parts = parts;
        _peer = peer;
        _time = time;
        parts.CheckpointWanted += Want;
        state.DelayChanged += Want;
        state.SetStatus("setup");
        _thread = new Thread(Run) { IsBackground = true, Name = "colo migration" };
        _thread.Start();
    }

    /// <summary>The peer is given up: the guest goes on here alone. Returns at once.</summary>
    public void FailOver()
    {
        _failover.Set();
        Yank();
    }

    /// <summary>Shuts the connections, whatever is in flight.</summary>
    public void Yank()
    {
        _ending.Cancel();
        lock (_sockets)
        {
            foreach (Socket socket in _sockets)
            {
                Shut(socket);
            }
        }

        _wanted.Set();
    }

    /// <summary>The machine ends. That is no failover: what is held stays held, the peer may live on.</summary>
    public void Dispose()
    {
        _isDisposing = true;
        FailOver();
        _thread.Join();
        _parts.CheckpointWanted -= Want;
        _state.DelayChanged -= Want;
        _ending.Dispose();
        _wanted.Dispose();
        _failover.Dispose();
    }

    void IPrimaryCheckpointHooks.Captured(CheckpointStamp stamp)
    {
        // The guest stands until the checkpoint is over; nothing is produced meanwhile.
    }

    void IPrimaryCheckpointHooks.Committed(CheckpointStamp stamp) => _parts.All(part => part.Committed());

    void IPrimaryCheckpointHooks.CheckpointWanted(CheckpointWantedReason reason) => Want();

    internal static void Shut(Socket socket)
    {
        try
        {
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Not connected yet, or gone already.
            socket.Dispose();
        }
    }

    private void Want() => _wanted.Set();

    private void Run()
    {
        bool isColo = _state.IsColoWanted;
        try
        {
            CheckpointLink link = MigrationLink.Connect(_peer, isColo, _machine.Ram, Opened);
            using var sender = new PrimaryCheckpointSender(_standing, link, new PrimaryCheckpointOptions(), this,
                _time);
            if (!sender.WaitUntilReady(_ending.Token))
            {
                _state.SetStatus("failed", "the destination ended the connection");
                return;
            }

            _state.SetStatus("active");
            new LiveStart(sender, new LiveStartOptions()).CopyRounds(
                MigrationLink.Stamp(_epoch + 1), null, _ending.Token, out bool lost);
            if (lost)
            {
                _state.SetStatus("failed", $"the connection was lost while memory was copied ({sender.LinkFailure})");
            }
            else if (isColo)
            {
                RunColo(sender);
            }
            else
            {
                MoveAway(sender);
            }
        }
        catch (Exception e) when (e is SocketException or IOException or ObjectDisposedException
            or OperationCanceledException or ArgumentException)
        {
            _state.SetStatus("failed", e.Message);
        }
    }

    private void MoveAway(PrimaryCheckpointSender sender)
    {
        bool wasRunning = _machine.IsRunning;
        _machine.Pause();
        // The guest will run there: no capture may let it go on here.
        _standing.Hold();
        _state.SetStatus("device");
        CheckpointReport report = sender.Run(MigrationLink.Stamp(++_epoch), _ending.Token);
        switch (report.Status)
        {
            case CheckpointStatus.Loaded or CheckpointStatus.CommittedThenLost:
                _state.SetStatus("completed");
                return;
            case CheckpointStatus.Unresolved:
                // It may run there: running here as well would be two of it. The operator knows more.
                _state.SetStatus("failed", "the connection was lost after everything had been sent; the guest stands");
                return;
            default:
                _state.SetStatus("failed", $"the connection was lost ({report.Failure})");
                break;
        }

        if (wasRunning)
        {
            _machine.Resume();
        }
    }

    private void RunColo(PrimaryCheckpointSender sender)
    {
        _state.SetStatus("device");
        _state.Enter(ReplicationRole.Primary);
        _error = _parts.Begin(ReplicationRole.Primary);
        bool whole = _error is null && Checkpoint(sender, isFirst: true);
        if (whole)
        {
            _state.SetStatus("colo");
        }

        while (whole && WaitForTrigger(sender))
        {
            whole = Checkpoint(sender, isFirst: false);
        }

        bool broken = !_failover.IsSet;
        if (broken)
        {
            _state.Break(_error);
            _failover.Wait();
        }

        if (_isDisposing)
        {
            return;
        }

        _parts.End(ReplicationRole.Primary);
        _state.Leave(wasBroken: broken);
        // As in QEMU the survivor's guest runs, also when COLO broke before it had.
        _standing.Release(start: true);
    }

    /// <summary>
    /// False: the link is gone or the secondary refuses. The guest stands then, until somebody decides.
    /// </summary>
    private bool Checkpoint(PrimaryCheckpointSender sender, bool isFirst)
    {
        _standing.Hold();
        if (_parts.Each(part => part.Check()) is { } objection)
        {
            _error = objection;
            _machine.Pause();
            return false;
        }

        CheckpointReport report = sender.Run(MigrationLink.Stamp(++_epoch), _ending.Token);
        if (report.Status != CheckpointStatus.Loaded)
        {
            _error = $"checkpoint {_epoch}: {report.Status}, {report.Failure}";
            return false;
        }

        _parts.All(part => part.Resuming());
        _standing.Release(start: isFirst);
        return true;
    }

    private bool WaitForTrigger(PrimaryCheckpointSender sender)
    {
        long began = _time.GetTimestamp();
        while (!_ending.IsCancellationRequested && sender.LinkFailure == LinkFailure.None)
        {
            TimeSpan left = TimeSpan.FromMilliseconds(_state.CheckpointDelay) - _time.GetElapsedTime(began);
            if (left <= TimeSpan.Zero || _wanted.WaitOne(left < LinkLook ? left : LinkLook))
            {
                return !_ending.IsCancellationRequested;
            }
        }

        return false;
    }

    private void Opened(Socket socket)
    {
        lock (_sockets)
        {
            _sockets.Add(socket);
        }
    }
}
