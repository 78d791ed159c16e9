using Colo.Actors.Protocol;

namespace Colo.Actors.Vm;

/// <summary>Runs the operator's scripts on transitions, each in its own process with a time limit; never waits for
/// them.</summary>
public interface IHookRunner
{
    void Run(VmId vm, Effect.RunHook hook);
}
