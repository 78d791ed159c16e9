namespace Colo.Actors.Protocol;

/// <summary>The configured name of a VM, unique in the cluster.</summary>
public readonly record struct VmId(string Name)
{
    public override string ToString() => Name;
}
