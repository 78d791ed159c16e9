namespace Colo.Simulation;

/// <summary>Makes the shell of actors, in the builds that have one.</summary>
internal static class VmShell
{
    public static IVmShell Create(SimWorld world, SimHost host, SimVm vm) =>
#if AKKA_EMBEDDED
        new EmbeddedOnly.ActorShell(world, host, vm);
#else
        throw new NotSupportedException("the simulation of actors needs the embedded engine");
#endif
}
