using System.Diagnostics;
using System.Net;
using Colo.Actors.Checkpoint;
using Colo.Actors.Protocol;
using Colo.Actors.Vm.Embedded;
using Colo.Vmm.Checkpoint.Primary;
using Colo.Vmm.Checkpoint.Secondary;
using Colo.Vmm.Cpu;
using Colo.Vmm.Links;
using Colo.Vmm.Machine;
using Colo.Vmm.Net;

namespace Colo.Actors.Tests.Vm;

/// <summary>
/// A primary's and a secondary's session over loopback links, with real machines that do nothing but jump on the spot.
/// What their cores would say is said here: every staged image is committed.
/// </summary>
internal sealed class SessionPair : IAsyncDisposable
{
    /// <summary>A hang, not a slow machine.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);

    private static readonly VmId Name = new("web");
    private readonly LinkListener listener;
    private readonly object gate = new();
    private readonly string? spill;
    private readonly bool exchanged;
    private readonly List<Message> reports = [];

    /// <param name="time">The primary session's; the guests have one whose timers never come.</param>
    /// <param name="listens">False: the sessions meet when <see cref="Listen"/> is called.</param>
    /// <param name="spill">The secondary's spill file.</param>
    /// <param name="exchanged">Whether the roles were just exchanged.</param>
    public SessionPair(TimeProvider? time = null, bool listens = true, string? spill = null, bool exchanged = false)
    {
        (this.spill, this.exchanged) = (spill, exchanged);
        (PrimaryNetwork, PrimaryGuest) = Build("node-a");
        (SecondaryNetwork, SecondaryGuest) = Build("node-b");
        listener = new LinkListener(
            new IPEndPoint(IPAddress.Loopback, 0), null, (open, _) => (
                Secondary!.Expects(open) ? LinkAnswer.Accepted : LinkAnswer.NotExpected, 1),
            link => Secondary!.Take(link), _ => { }, start: false);
        Secondary = new SecondarySession(
            Setup("node-b", "node-a", TimeProvider.System), SecondaryGuest, SecondaryNetwork, NoDisks());
        if (listens)
        {
            Listen();
        }

        PrimaryGuest.Allow();
        Primary = new PrimarySession(
            Setup("node-a", "node-b", time ?? TimeProvider.System), PrimaryGuest, PrimaryNetwork, NoDisks(),
            Epoch.Zero);
    }

    public GuestMachine PrimaryGuest { get; }

    public GuestMachine SecondaryGuest { get; }

    public GuestNetwork PrimaryNetwork { get; }

    public GuestNetwork SecondaryNetwork { get; }

    public PrimarySession Primary { get; }

    public SecondarySession Secondary { get; }

    /// <summary>Whether staged images are committed; if not they are discarded.</summary>
    public bool Commits { get; set; } = true;

    /// <summary>Sees each report of either session, on the thread that makes it.</summary>
    public Action<Message>? Reported { get; set; }

    /// <summary>Sees each line of the log, on the thread that writes it.</summary>
    public Action<string>? Logged { get; set; }

    /// <summary>Lines of the log.</summary>
    public List<string> Lines { get; } = [];

    public void Listen() => listener.Start();

    /// <summary>Waits for a report; each is given once.</summary>
    public T Wait<T>()
        where T : Message
    {
        var clock = Stopwatch.StartNew();
        lock (gate)
        {
            while (true)
            {
                if (reports.OfType<T>().FirstOrDefault() is { } found)
                {
                    reports.Remove(found);
                    return found;
                }

                TimeSpan left = Hang - clock.Elapsed;
                Assert.True(
                    left > TimeSpan.Zero && Monitor.Wait(gate, left),
                    $"no {typeof(T).Name}: {string.Join("; ", reports)}; {string.Join("; ", Lines)}");
            }
        }
    }

    public int Count<T>()
        where T : Message
    {
        lock (gate)
        {
            return reports.OfType<T>().Count();
        }
    }

    public async ValueTask DisposeAsync()
    {
        Primary.Dispose();
        Secondary.Dispose();
        Primary.Join();
        await listener.DisposeAsync();
        PrimaryGuest.Dispose();
        SecondaryGuest.Dispose();
        PrimaryNetwork.Dispose();
        SecondaryNetwork.Dispose();
    }

    private (GuestNetwork Network, GuestMachine Guest) Build(string host)
    {
        var machine = new VirtMachine(new MachineOptions
        {
            MemoryBytes = 32 << 20,
            Entropy = false,
            PowerButton = false,
            Seed = 1,
            Hart = new HartOptions { Tier = CodeTierMode.Interpreter },
        });
        machine.Ram.TryWriteUInt32(machine.Ram.BaseAddress, 0x0000_006f); // jal x0, 0
        var network = new GuestNetwork(
            new HostIdentity(new HostId(host), new Incarnation(1)), [], new ComparerOptions(), Report,
            TimeProvider.System);
        return (network, new GuestMachine(machine, network, new TimelessTime()));
    }

    private DiskSet NoDisks() => new([], [], Report, Log, TimeProvider.System);

    private SessionSetup Setup(string self, string peer, TimeProvider time) => new()
    {
        Vm = Name,
        Self = new HostIdentity(new HostId(self), new Incarnation(1)),
        Peer = new HostId(peer),
        PeerAddress = listener.LocalEndPoint,
        Security = null,
        Term = new Term(1),
        Exchanged = exchanged,
        PageChannels = 2,
        PrimaryOptions = new PrimaryCheckpointOptions(),
        SecondaryOptions = new SecondaryCheckpointOptions { SpillPath = spill },
        Precopy = new PrecopyOptions(),
        Time = time,
        Report = Report,
        Log = Log,
    };

    private void Report(Message message)
    {
        if (message is ImageStaged staged)
        {
            Action<Epoch> decide = Commits ? Secondary.Commit : Secondary.Discard;
            decide(staged.Epoch);
        }

        Reported?.Invoke(message);
        lock (gate)
        {
            reports.Add(message);
            Monitor.PulseAll(gate);
        }
    }

    private void Log(string line)
    {
        lock (gate)
        {
            Lines.Add(line);
        }

        Logged?.Invoke(line);
    }

    /// <summary>Timers of this clock never come: nothing slows a guest.</summary>
    private sealed class TimelessTime : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            new Never();

        private sealed class Never : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose()
            {
            }

            public ValueTask DisposeAsync() => ValueTask.CompletedTask;
        }
    }
}
