using Colo.Actors.Arbiter;
using Colo.Actors.Links;
using Colo.Actors.Protocol;

namespace Colo.Actors.Vm;

/// <summary>What a <c>VmSupervisor</c> is made of; put together by the host, or by the simulation.</summary>
public sealed record VmRuntime
{
    public required VmId Vm { get; init; }

    /// <summary>The decisions; belongs to this VM alone.</summary>
    public required VmProtocolLoop Protocol { get; init; }

    /// <summary>Opens the machine's side; the argument takes its reports, from any thread.</summary>
    public required Func<Action<Message>, IVmBackend> OpenBackend { get; init; }

    public required IArbiter Arbiter { get; init; }

    /// <summary>An answer of the arbiter that takes longer counts as unknown.</summary>
    public required TimeSpan ArbiterTimeout { get; init; }

    public required IPeerTransport Peers { get; init; }

    public required IVmObserver Observer { get; init; }

    public required IHookRunner Hooks { get; init; }

    public required TimeProvider Time { get; init; }
}
