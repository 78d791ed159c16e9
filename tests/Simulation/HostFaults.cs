using Colo.Actors.Failover;

namespace Colo.Simulation;

/// <summary>
/// Faults of hosts and links that last or that lie in wait: a slow host (F06), clogged links (F13), a lost disk (F02),
/// and deaths in the midst of a copy (F40).
/// </summary>
public sealed class HostFaults(SimWorld world)
{
    /// <summary>A fault that waits for a copy gives up after this long.</summary>
    private const long WaitMicros = 5_000_000;

    /// <summary>The whole time of a copy in a quiet world: 20 ms of disk and three rounds of at most 30 ms.</summary>
    private const long CopyMicros = 60_000;

    private Fault? _waiting;

    /// <summary>A host died with its disk, and the only other one that had everything went too: nobody may boot the
    /// guest, and nobody does until an operator says from what.</summary>
    public bool LeftNothing =>
        world.Witness.Record is { } record && world.Host(world.PlaceOf(record.Primary.Host)).Disk.IsLost
        && world.Hosts.All(host => host.Vm is { Guest: null, Protocol.Failover.State: FailoverState.Parked });

    public bool TryInject(Fault fault)
    {
        switch (fault.Kind)
        {
            case FaultKind.SlowHost:
                SlowDown(world.Host(fault.Target), fault.DurationMicros);
                return true;
            case FaultKind.Clog:
                Clog(fault);
                return true;
            case FaultKind.SwizzleClog:
                Swizzle(fault.DurationMicros);
                return true;
            case FaultKind.DiskLost:
                LoseDisk(world.Host(fault.Target), fault.DurationMicros);
                return true;
            case FaultKind.CopyBreaks:
                _waiting = fault;
                world.Scheduler.After(WaitMicros, () => _waiting = _waiting == fault ? null : _waiting);
                Strike();
                return true;
            default:
                return false;
        }
    }

    /// <summary>A copy of the disk or a round over the memory begins on its source.</summary>
    public void OnCopy()
    {
        if (_waiting is not null)
        {
            world.Scheduler.After(world.Random("copy-breaks").Between(0, CopyMicros), Strike);
        }
    }

    public void HealAll()
    {
        _waiting = null;
        foreach (SimHost host in world.Hosts)
        {
            host.Slowness = 1;
        }
    }

    private void SlowDown(SimHost host, long micros)
    {
        long factor = world.Random("slow-host").LogBetween(2, 100);
        Hit($"{FaultKind.SlowHost}{(factor < 10 ? " below 10" : " 10 to 100")}");
        world.During(micros, () => host.Slowness = factor, () => host.Slowness = 1);
    }

    private void Clog(Fault fault)
    {
        SeededRandom random = world.Random("clog");
        List<Place> others = [.. Places().Where(place => place != fault.Target)];
        Place other = others[random.Below(others.Count)];
        bool both = random.Chance(500);
        Hit($"{FaultKind.Clog}{(other <= Place.C ? " between hosts" : $" to {other}")}");
        ClogFor(fault.DurationMicros, fault.Target, other, both);
    }

    /// <summary>In the first half of the time they clog, in the second they unclog.</summary>
    private void Swizzle(long micros)
    {
        SeededRandom random = world.Random("clog");
        List<Place> places = Places();
        List<(Place One, Place Other)> links =
        [
            .. places.SelectMany(one => places.Where(other => one < other).Select(other => (one, other)))
                .Where(_ => random.Chance(500)),
        ];
        if (links.Count == 0)
        {
            links.Add((places[0], places[1]));
        }

        Hit($"{FaultKind.SwizzleClog} of {links.Count} links");
        foreach ((Place one, Place other) in links)
        {
            long begins = random.Between(0, micros / 2);
            long lasts = random.Between(micros / 2, micros) - begins;
            world.Scheduler.After(begins, () => ClogFor(lasts, one, other, both: true));
        }
    }

    private void LoseDisk(SimHost host, long micros)
    {
        // A disk may be lost as long as another host lives that the arbiter's record trusts with the guest, and the
        // witness has that record: a host that has lost everything believes one that has, too, that there is no VM yet.
        bool kept = !world.Options.SharedDisk && !world.Witness.IsTroubled && world.Witness.Record is { } record && world.Hosts.Any(other =>
            other != host && other.Vm is { Guest: not null } vm && record.InSync(vm.Identity));
        bool inSync = host.Vm is { } here && world.Witness.Record?.InSync(here.Identity) == true;
        bool owned = world.Witness.Record?.Primary.Host == host.Id;
        host.Crash(reset: world.Random("disk-lost").Chance(500));
        if (kept)
        {
            string whose = owned ? "the primary" : inSync ? "the secondary" : "a host outside the set";
            Hit($"{FaultKind.DiskLost} of {whose}");
            host.Disk.Lose(world.Mutant);
        }

        world.Scheduler.After(micros, host.Start);
    }

    /// <summary>If a copy is on: its source, its target or both die, and come back.</summary>
    private void Strike()
    {
        SimHost? source = world.Hosts.FirstOrDefault(
            host => host.Vm?.Protocol.Failover.State == FailoverState.SoloFilling);
        if (_waiting is not { } fault || source?.Vm?.Protocol is not { Failover.Peer: { } peer } copying)
        {
            return;
        }

        _waiting = null;
        SeededRandom random = world.Random("copy-breaks");
        SimHost target = world.Host(world.PlaceOf(peer.Host));
        (string who, SimHost[] dead) = random.Below(3) switch
        {
            0 => ("source", [source]),
            1 => ("target", [target]),
            _ => ("both", (SimHost[])[source, target]),
        };
        Hit($"{FaultKind.CopyBreaks}: {who}, {copying.Resync.StateName}");
        world.Story(source, $"the copy breaks: {who}");
        foreach (SimHost host in dead)
        {
            host.Crash(reset: random.Chance(500));
            world.Scheduler.After(fault.DurationMicros + random.Between(0, 800_000), host.Start);
        }
    }

    private List<Place> Places() => [.. world.Hosts.Select(host => host.Place), Place.Witness, Place.Edge];

    private void ClogFor(long micros, Place one, Place other, bool both) =>
        world.During(micros, () => Clog(one, other, both), () => Unclog(one, other, both));

    private void Clog(Place one, Place other, bool both)
    {
        world.Network.Clog(one, other);
        if (both)
        {
            world.Network.Clog(other, one);
        }
    }

    private void Unclog(Place one, Place other, bool both)
    {
        world.Network.Unclog(one, other);
        if (both)
        {
            world.Network.Unclog(other, one);
        }
    }

    public void Hit(string what) => world.Hits.Add(what);
}
