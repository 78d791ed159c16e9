namespace Colo.Vmm.Net;

/// <summary>What a matcher found to differ, before it is dressed for the sink.</summary>
internal readonly record struct TcpDifference(
    DifferenceKind Kind, long StreamOffset, int PrimaryByte, int SecondaryByte, PooledFrame Secondary);
