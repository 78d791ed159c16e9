using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Colo.Vmm.Net;
using Colo.Vmm.Qmp;
using Colo.Vmm.Qmp.Parts;
using Colo.Vmm.Qmp.Replication;

namespace Colo.Vmm.Tests.Qmp;

/// <summary>
/// What stands around a machine, without the machine: one card "hn0" whose guest and whose network are lists of
/// frames, and the monitor's commands as text. Sockets are Unix sockets in the folder.
/// </summary>
internal sealed class PartsRig : IDisposable
{
    public static readonly TimeSpan Hang = TimeSpan.FromMinutes(2);
    private readonly QmpCommandTable _commands = new();
    private readonly World _world = new();
    private readonly List<JsonObject> _events = [];

    public PartsRig(string folder)
    {
        Folder = folder;
        Parts.EventRaised += (name, data) =>
        {
            lock (_events)
            {
                _events.Add(new JsonObject { ["event"] = name, ["data"] = data?.DeepClone() });
                System.Threading.Monitor.PulseAll(_events);
            }
        };
        Card = Parts.AddNetdev("hn0", _world, [0x52, 0x54, 0, 0, 0, 1]);
        Card.Received = Guest.Add;
        Parts.AddCommands(_commands);
    }

    public string Folder { get; }

    public MachineParts Parts { get; } = new(TimeProvider.System);

    public ReplicationHooks Hooks => Parts.Hooks;

    /// <summary>What the guest's card is plugged into.</summary>
    public INetworkBackend Card { get; }

    /// <summary>What the guest got.</summary>
    public Frames Guest { get; } = new();

    /// <summary>What left on the network.</summary>
    public Frames Network => _world.Sent;

    /// <summary>A frame that comes from the network.</summary>
    public void FromNetwork(byte[] frame) => _world.Deliver(frame);

    public QmpReply Reply(string command)
    {
        using JsonDocument parsed = JsonDocument.Parse(command);
        JsonElement arguments = parsed.RootElement.TryGetProperty("arguments", out JsonElement given) ? given : default;
        return _commands.Find(parsed.RootElement.GetProperty("execute").GetString()!)!.Handler(arguments);
    }

    public JsonNode Say(string command) => Assert.IsType<QmpReply.Success>(Reply(command)).Value;

    public QmpReply.Failure Refuse(string command) => Assert.IsType<QmpReply.Failure>(Reply(command));

    public Socket Connect(string name)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(Path.Combine(Folder, name)));
        return socket;
    }

    /// <summary>Waits until somebody is connected; who connects is so a moment before he is accepted.</summary>
    public void WaitForChardev(string id) => Assert.True(
        SpinWait.SpinUntil(
            () => Say("""{"execute": "query-chardev"}""").AsArray().Any(d =>
                (string)d!["label"]! == id
                && !((string)d["filename"]!).StartsWith("disconnected:", StringComparison.Ordinal)),
            Hang),
        $"chardev {id} is not connected");

    public JsonObject WaitForEvent(string name)
    {
        var waited = System.Diagnostics.Stopwatch.StartNew();
        lock (_events)
        {
            while (true)
            {
                if (_events.FirstOrDefault(e => (string)e["event"]! == name) is { } found)
                {
                    return found;
                }

                TimeSpan left = Hang - waited.Elapsed;
                Assert.True(left > TimeSpan.Zero && System.Threading.Monitor.Wait(_events, left),
                    $"no event {name}; there were {string.Join(", ", _events.Select(e => e.ToJsonString()))}");
            }
        }
    }

    /// <summary>The primary's side of the documented wiring.</summary>
    public void WirePrimary(string place = "")
    {
        foreach (string id in (string[])["mirror0", "compare1", "compare0", "compare_out"])
        {
            Parts.AddChardev($"socket,id={id},path={Folder}/{id},server=on,wait=off");
        }

        Parts.AddChardev($"socket,id=compare0-0,path={Folder}/compare0");
        Parts.AddChardev($"socket,id=compare_out0,path={Folder}/compare_out");
        Parts.AddObject($"filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=mirror0{place}");
        Parts.AddObject($"filter-redirector,netdev=hn0,id=redire0,queue=rx,indev=compare_out{place}");
        Parts.AddObject($"filter-redirector,netdev=hn0,id=redire1,queue=rx,outdev=compare0{place}");
        Parts.AddObject("iothread,id=iothread1");
        Parts.AddObject("colo-compare,id=comp0,primary_in=compare0-0,secondary_in=compare1,outdev=compare_out0,"
            + "iothread=iothread1,compare_timeout=600000");
        // In a pair a frame that finds nobody at the other end is lost, like one on a cable.
        foreach (string id in (string[])["compare0", "compare0-0", "compare_out", "compare_out0"])
        {
            WaitForChardev(id);
        }
    }

    /// <summary>The secondary's side; its peers are the rig's own sockets red0 and red1.</summary>
    public void WireSecondary()
    {
        Parts.AddChardev($"socket,id=red0,path={Folder}/red0,server=on,wait=off");
        Parts.AddChardev($"socket,id=red1,path={Folder}/red1,server=on,wait=off");
        Parts.AddObject("filter-redirector,id=f1,netdev=hn0,queue=tx,indev=red0");
        Parts.AddObject("filter-redirector,id=f2,netdev=hn0,queue=rx,outdev=red1");
        Parts.AddObject("filter-rewriter,id=rew0,netdev=hn0,queue=all");
    }

    public void Dispose()
    {
        Parts.Dispose();
        Card.Dispose();
    }

    /// <summary>Frames in the order in which they came, to wait for.</summary>
    internal sealed class Frames
    {
        private readonly List<byte[]> _frames = [];

        public int Count
        {
            get
            {
                lock (_frames)
                {
                    return _frames.Count;
                }
            }
        }

        public void Add(ReadOnlySpan<byte> frame)
        {
            lock (_frames)
            {
                _frames.Add(frame.ToArray());
                System.Threading.Monitor.PulseAll(_frames);
            }
        }

        /// <summary>Waits for the n-th frame, counted from 0.</summary>
        public byte[] Wait(int index)
        {
            var waited = System.Diagnostics.Stopwatch.StartNew();
            lock (_frames)
            {
                while (_frames.Count <= index)
                {
                    TimeSpan left = Hang - waited.Elapsed;
                    Assert.True(left > TimeSpan.Zero && System.Threading.Monitor.Wait(_frames, left),
                        $"{_frames.Count} frames came, expected more than {index}");
                }

                return _frames[index];
            }
        }
    }

    private sealed class World : INetworkBackend
    {
        private FrameHandler? _received;

        public Frames Sent { get; } = new();

        public FrameHandler? Received
        {
            set => _received = value;
        }

        public void Send(ReadOnlySpan<byte> frame) => Sent.Add(frame);

        public void Deliver(byte[] frame) => _received?.Invoke(frame);

        public void Dispose()
        {
        }
    }
}
