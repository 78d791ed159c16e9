using Colo.Actors.Checkpoint;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Simulation;

/// <summary>
/// What a guest does of its own accord to its whole machine (F27): it reboots or powers off, on one host or on each
/// that has it at a time of its own. An operator starts what is off again, after a while.
/// </summary>
public sealed class GuestFaults(SimWorld world)
{
    /// <summary>Replicas that run in step are not farther apart than this.</summary>
    private const long ApartMicros = 30_000;

    private const long OffMicros = 500_000;

    private readonly SortedDictionary<Place, long> _offSince = [];

    /// <summary>How often a guest rebooted: then its connections are gone.</summary>
    public long Reboots { get; private set; }

    /// <summary>The operator wants a guest that is off to run.</summary>
    public bool StartOrdered { get; private set; }

    private SeededRandom Noise => world.Random("guest-faults");

    public void Inject(Fault fault)
    {
        bool onAll = Noise.Chance(600);
        bool byOrder = Noise.Chance(300);
        foreach (SimHost host in world.Hosts.Where(host => onAll || host.Place == fault.Target))
        {
            if (host.Vm is not { } vm || world.Options.InMachine)
            {
                continue;
            }

            long apart = Noise.LogBetween(1, ApartMicros);
            if (fault.Kind == FaultKind.GuestReboots)
            {
                vm.After(apart, () => Reboot(vm));
            }
            else if (byOrder)
            {
                vm.Post(() => vm.Deliver(new StopCommand(new CommandId($"stop-{fault.At}-{host.Place}"))));
            }
            else
            {
                vm.After(apart, () => End(vm));
            }
        }
    }

    /// <summary>Called now and then.</summary>
    public void Watch()
    {
        foreach (SimHost host in world.Hosts)
        {
            if (host.Vm is not { Protocol.Failover.State: FailoverState.Off } vm)
            {
                _offSince.Remove(host.Place);
                continue;
            }

            if (_offSince.TryAdd(host.Place, world.Scheduler.Now))
            {
                CheckOff(vm);
            }
            else if (world.Scheduler.Now - _offSince[host.Place] > OffMicros)
            {
                _offSince.Remove(host.Place);
                OnStartOrdered();
                world.Hits.Add("F27 guest: started again");
                vm.Post(() => vm.Deliver(new StartCommand(new CommandId($"start-{world.Scheduler.Now}"))));
            }
        }
    }

    /// <summary>An operator wants the guest.</summary>
    public void OnStartOrdered() => StartOrdered = true;

    /// <summary>The record says off.</summary>
    public void OnOff() => StartOrdered = false;

    private void Reboot(SimVm vm)
    {
        if (vm.Guest is not { HasEnded: false } guest || vm.IsPaused)
        {
            return;
        }

        world.Hits.Add("F27 guest: reboots");
        vm.Story("the guest reboots");
        Reboots++;
        guest.Reboot(vm);
        vm.Deliver(new CheckpointTrigger(CheckpointReason.GuestEvent));
    }

    private void End(SimVm vm)
    {
        if (vm.Guest is not { HasEnded: false } guest || vm.IsPaused)
        {
            return;
        }

        world.Hits.Add("F27 guest: powers off");
        vm.Story("the guest powers off");
        guest.End();
        vm.Deliver(new GuestEnded(GuestEnd.Shutdown));
    }

    private static void CheckOff(SimVm vm)
    {
        if (vm.Protocol.Failover.Record is { PoweredOff: true } && (vm.Guest is not null || vm.IsAttached))
        {
            throw new InvariantFailureException("S15", $"{vm.Identity} says Off, and its guest is there");
        }
    }
}
