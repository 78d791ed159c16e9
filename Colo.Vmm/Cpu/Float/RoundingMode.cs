namespace Colo.Vmm.Cpu.Float;

/// <summary>The rm field (unprivileged specification, table "Rounding mode encoding").</summary>
internal enum RoundingMode
{
    NearestEven = 0,
    TowardZero = 1,
    Down = 2,
    Up = 3,
    NearestMaxMagnitude = 4,
    Dynamic = 7,
}
