namespace Colo.Vmm.Memory;

/// <summary>
/// The two tables of a capture, kept by <see cref="GuestRam"/> for the next one: beginning a capture happens inside the
/// guest's pause, where allocating a table of all pages would be felt.
/// </summary>
internal sealed class CaptureTables
{
    public CaptureTables(int pageCount)
    {
        States = new byte[pageCount];
        Saved = new byte[]?[pageCount];
    }

    /// <summary>What the tables take for that many pages.</summary>
    public static long Bytes(int pageCount) => (long)pageCount * (1 + IntPtr.Size);

    public byte[] States { get; }

    public byte[]?[] Saved { get; }
}
