using System.Text.Json;
using System.Text.Json.Nodes;
using Colo.Vmm.Block;
using Colo.Vmm.Net;
using Colo.Vmm.Qmp.Chardevs;
using Colo.Vmm.Qmp.Disks;
using Colo.Vmm.Qmp.Filters;
using Colo.Vmm.Qmp.Replication;

namespace Colo.Vmm.Qmp.Parts;

/// <summary>
/// What a machine has around it when it is one of a COLO pair by hand: character devices, filters and comparers between
/// its cards and their back ends, disks of several children, an NBD server. Made before the machine, whose cards and
/// disks get what <see cref="AddNetdev"/> and <see cref="AddDisk"/> return; the machine disposes of these.
/// Options that cannot be carried out throw <see cref="ArgumentException"/> with QEMU's text.
/// </summary>
public sealed class MachineParts : IDisposable
{
    private readonly ChardevTable _chardevs = new();
    private readonly ObjectTable _objects;
    private readonly BlockGraph _blocks;

    public MachineParts(TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        _objects = new ObjectTable(_chardevs, Hooks, time);
        _blocks = new BlockGraph(Hooks, time, (name, data) => EventRaised?.Invoke(name, data));
    }

    /// <summary>An event for the monitor's client. Any thread.</summary>
    public event Action<string, JsonObject?>? EventRaised;

    internal ReplicationHooks Hooks { get; } = new();

    /// <summary>Puts a chain of filters before a card's back end.</summary>
    /// <param name="id">What "netdev" of a filter names.</param>
    /// <param name="backend">Disposed of with the chain; null: nothing is there.</param>
    /// <param name="macAddress">The card's, for announcements.</param>
    public INetworkBackend AddNetdev(string id, INetworkBackend? backend, byte[] macAddress) => Checked(() =>
    {
        var chain = new FilterChain(id, macAddress, backend, Hooks);
        _objects.AddChain(chain);
        return chain;
    });

    /// <summary>Makes a disk of a device: what the guest gets can have further children.</summary>
    /// <param name="id">Of the disk; null: disk and its number.</param>
    /// <param name="nodeName">Of the device below; null: a generated one.</param>
    /// <param name="device">Disposed of with the disk.</param>
    public IBlockDevice AddDisk(string? id, string? nodeName, IBlockDevice device) =>
        Checked(() => _blocks.AddDisk(id, nodeName, device));

    /// <summary>A secondary's disk, with what it needs to be taken back to the last checkpoint.</summary>
    /// <param name="id">As in <see cref="AddDisk"/>.</param>
    /// <param name="nodeName">What the NBD server exports.</param>
    /// <param name="path">The image, the same as the primary's or to be filled by drive-mirror.</param>
    /// <param name="bufferPath">A file for what memory cannot hold; made when it is not there.</param>
    /// <param name="memoryBytes">How much memory may hold; null: the default.</param>
    public IBlockDevice AddSecondaryDisk(
        string? id, string? nodeName, string path, string bufferPath, long? memoryBytes) =>
        Checked(() => _blocks.AddSecondary(id, nodeName, path, bufferPath, memoryBytes));

    /// <summary>As the option --chardev has it.</summary>
    public void AddChardev(string text) => Checked(() =>
    {
        _chardevs.AddOption(text);
        return true;
    });

    /// <summary>As the option --object has it.</summary>
    public void AddObject(string text) => Checked(() =>
    {
        _objects.AddOption(text);
        return true;
    });

    /// <summary>Waits for the peers of character devices with wait=on, or for the end.</summary>
    public void WaitForPeers(Task end) => _chardevs.WaitForPeers(end);

    public void AddCommands(QmpCommandTable commands)
    {
        ArgumentNullException.ThrowIfNull(commands);
        Add(commands, "chardev-add", _chardevs.Add);
        Add(commands, "chardev-remove", _chardevs.Remove);
        commands.Add("query-chardev", () => new QmpReply.Success(_chardevs.Show()));
        Add(commands, "object-add", _objects.Add);
        Add(commands, "object-del", _objects.Delete);
        Add(commands, "qom-list", _objects.List);
        Add(commands, "qom-get", _objects.Get);
        Add(commands, "qom-set", _objects.Set);
        _blocks.AddCommands(commands);
    }

    public void Dispose()
    {
        _blocks.Dispose();
        _objects.Dispose();
        _chardevs.Dispose();
    }

    /// <summary>What yank can end, each as query-yank shows it.</summary>
    internal IEnumerable<(JsonObject Instance, Action Yank)> Yankables()
    {
        foreach (SocketChardev device in _chardevs.All())
        {
            yield return (new JsonObject { ["type"] = "chardev", ["id"] = device.Id }, device.Yank);
        }

        foreach ((string name, Action yank) in _blocks.Yankables())
        {
            yield return (new JsonObject { ["type"] = "block-node", ["node-name"] = name }, yank);
        }
    }

    internal static void Add(QmpCommandTable commands, string name, Func<QmpFields, QmpReply> handler) =>
        commands.Add(new QmpCommand(name, arguments => Answer(arguments, handler)) { Arguments = null });

    private static QmpReply Answer(JsonElement arguments, Func<QmpFields, QmpReply> handler)
    {
        try
        {
            return handler(QmpFields.Of(arguments));
        }
        catch (QmpFailureException e)
        {
            return new QmpReply.Failure(e.ErrorClass, e.Message);
        }
    }

    private static T Checked<T>(Func<T> action)
    {
        try
        {
            return action();
        }
        catch (QmpFailureException e)
        {
            throw new ArgumentException(e.Message, e);
        }
    }
}
