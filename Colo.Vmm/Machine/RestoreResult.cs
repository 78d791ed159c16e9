namespace Colo.Vmm.Machine;

/// <summary>Whether a state was taken; <c>Error</c> says what was wrong with it.</summary>
public readonly record struct RestoreResult(string? Error)
{
    public static RestoreResult Ok { get; }

    public bool IsOk => Error is null;

    public static RestoreResult Failed(string error) => new(error);
}
