using Colo.Actors.Protocol;

namespace Colo.Actors.Vm;

/// <summary>Asks a <c>VmSupervisor</c> for its last status.</summary>
public sealed record AskVmStatus
{
    public static readonly AskVmStatus Instance = new();
}

/// <summary>The answer to <see cref="AskVmStatus"/>; null before the first decision.</summary>
public sealed record VmStatusAnswer(VmId Vm, VmStatus? Status);
