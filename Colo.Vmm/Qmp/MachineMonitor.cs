using System.Text.Json.Nodes;
using Colo.Vmm.Devices.VirtioBlock;
using Colo.Vmm.Machine;
using Colo.Vmm.Qmp.Disks;
using Colo.Vmm.Qmp.Parts;
using Colo.Vmm.Qmp.Replication;

namespace Colo.Vmm.Qmp;

/// <summary>
/// The monitor of one embedded machine: a <see cref="QmpServer"/> with the commands that drive it, and its events.
/// </summary>
public sealed class MachineMonitor : IDisposable
{
    private readonly VirtMachine _machine;
    private readonly ReplicationMonitor? _replication;
    private readonly MachineParts? _parts;
    private readonly QmpServer _server;

    /// <param name="machine">The machine to drive; not disposed of here.</param>
    /// <param name="path">Path of the Unix socket.</param>
    /// <param name="replication">Migration and COLO; null: the machine has neither.</param>
    /// <param name="parts">Filters, comparers, disks; null: the machine has none of them.</param>
    /// <param name="extend">Adds further commands before the server starts; null: none.</param>
    public MachineMonitor(
        VirtMachine machine, string path, ReplicationMonitor? replication, MachineParts? parts = null,
        Action<QmpCommandTable>? extend = null)
    {
        _machine = machine;
        _replication = replication;
        _parts = parts;
        var commands = new QmpCommandTable();
        AddCommands(commands, machine, replication);
        parts?.AddCommands(commands);
        extend?.Invoke(commands);
        _server = new QmpServer(path, commands, machine.Options.TimeProvider);
        machine.Changed += OnChanged;
        if (replication is not null)
        {
            replication.EventRaised += SendEvent;
        }

        if (parts is not null)
        {
            parts.EventRaised += SendEvent;
        }
    }

    /// <summary>Sends an event of another part of the program to the client.</summary>
    public void SendEvent(string name, JsonObject? data) => _server.SendEvent(name, data);

    public void Dispose()
    {
        _machine.Changed -= OnChanged;
        if (_replication is not null)
        {
            _replication.EventRaised -= SendEvent;
        }

        if (_parts is not null)
        {
            _parts.EventRaised -= SendEvent;
        }

        _server.Dispose();
    }

    internal static void AddCommands(
        QmpCommandTable commands, VirtMachine machine, ReplicationMonitor? replication = null)
    {
        replication?.AddCommands(commands);
        commands.Add("query-version", () => new QmpReply.Success(QmpSession.Version));
        commands.Add("query-status", () => new QmpReply.Success(
            Status(machine, replication?.IsAwaitingIncoming ?? false)));
        commands.Add("query-block", () => new QmpReply.Success(Disks(machine)));
        commands.Add("query-commands", () => new QmpReply.Success(
            new JsonArray([.. commands.Names.Prepend("qmp_capabilities")
                .Select(n => new JsonObject { ["name"] = n })])));
        commands.Add("stop", () => Do(machine.Pause));
        commands.Add("cont", () => machine.Completion.IsCompleted
            ? QmpReply.Error("Resetting the Virtual Machine is required")
            : replication is { IsAwaitingIncoming: true }
                ? QmpReply.Error("the machine waits for an incoming migration")
            : Do(machine.IsStarted ? machine.Resume : machine.Start));
        commands.Add("system_reset", () => machine.Completion.IsCompleted
            ? QmpReply.Error("the machine has ended")
            : Do(machine.Reset));
        commands.Add("system_powerdown", () => Do(machine.RequestPowerdown));
        commands.Add("quit", () => new QmpReply.Success(new JsonObject(), machine.Shutdown));
    }

    private static QmpReply Do(Action action)
    {
        try
        {
            action();
            return QmpReply.Done;
        }
        catch (LoadException e)
        {
            // A reset reads the kernel again, and someone may have moved it.
            return QmpReply.Error(e.Message);
        }
    }

    private static JsonObject Status(VirtMachine machine, bool isAwaitingIncoming) => new()
    {
        ["running"] = machine.IsRunning,
        ["singlestep"] = false,
        ["status"] = machine.Completion.IsCompleted ? "shutdown" : machine.IsRunning ? "running"
            : machine.IsStarted ? "paused" : isAwaitingIncoming ? "inmigrate" : "prelaunch",
    };

    private static JsonArray Disks(VirtMachine machine)
    {
        var disks = new JsonArray();
        foreach (BlockDevice disk in machine.Board.Disks)
        {
            disks.Add(new JsonObject
            {
                ["device"] = (disk.Disk as MachineDisk)?.Id ?? $"disk{disks.Count}",
                ["type"] = "unknown",
                ["locked"] = false,
                ["removable"] = false,
                ["inserted"] = new JsonObject
                {
                    ["drv"] = "raw",
                    ["ro"] = disk.IsReadOnly,
                    ["encrypted"] = false,
                    ["backing_file_depth"] = 0,
                    ["node-name"] = disk.Serial,
                    ["image"] = new JsonObject { ["format"] = "raw", ["virtual-size"] = disk.Disk.SizeBytes },
                },
            });
        }

        return disks;
    }

    private void OnChanged(MachineEvent change)
    {
        switch (change)
        {
            case MachineEvent.Stopped:
                _server.SendEvent("STOP");
                break;
            case MachineEvent.Resumed:
                _server.SendEvent("RESUME");
                break;
            case MachineEvent.Reset reset:
                _server.SendEvent("RESET", Cause(reset.ByGuest, reset.ByGuest ? "guest-reset"
                    : "host-qmp-system-reset"));
                break;
            case MachineEvent.PowerdownRequested:
                _server.SendEvent("POWERDOWN");
                break;
            case MachineEvent.Shutdown shutdown:
                bool byGuest = shutdown.Exit.Reason != MachineExitReason.HostRequest;
                _server.SendEvent("SHUTDOWN", Cause(byGuest, byGuest ? "guest-shutdown" : "host-qmp-quit"));
                break;
            case MachineEvent.Panicked:
                _server.SendEvent("SHUTDOWN", Cause(byGuest: false, "host-error"));
                break;
            default:
                throw new System.Diagnostics.UnreachableException($"machine event {change.GetType().Name}");
        }
    }

    private static JsonObject Cause(bool byGuest, string reason) => new() { ["guest"] = byGuest, ["reason"] = reason };
}
