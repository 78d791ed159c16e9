namespace Colo.Vmm.Machine;

/// <summary>The pair (error, value) of an SBI call; error codes of SBI 2.0, section 3.</summary>
internal readonly record struct SbiResult(long Error, ulong Value)
{
    public static SbiResult NotSupported { get; } = new(-2, 0);

    public static SbiResult InvalidParameter { get; } = new(-3, 0);

    public static SbiResult InvalidAddress { get; } = new(-5, 0);

    public static SbiResult AlreadyAvailable { get; } = new(-6, 0);

    public static SbiResult Success(ulong value) => new(0, value);
}
