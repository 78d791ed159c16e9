namespace Colo.Vmm.Memory;

/// <summary>
/// The two tables of a capture, kept by <see cref="GuestRam"/> for the next one: beginning a capture happens inside the
/// guest's pause, where allocating a table of all pages would be felt.
/// </summary>
internal sealed class CaptureTables
{
    private const byte MarkStep = 4;
    private byte _mark;

    public CaptureTables(int pageCount)
    {
        States = new byte[pageCount];
        Saved = new byte[]?[pageCount];
    }

    /// <summary>
    /// Makes all states those of an earlier use. A state carries its use's mark in its upper six bits, so that beginning
    /// a capture goes over the table every 63rd time only. The guest is paused: no writer has anything to do with an
    /// earlier use.
    /// </summary>
    /// <returns>The mark of this use: a multiple of 4, not 0.</returns>
    public byte Renew()
    {
        _mark = unchecked((byte)(_mark + MarkStep));
        if (_mark == 0)
        {
            Array.Clear(States);
            _mark = MarkStep;
        }

        return _mark;
    }

    /// <summary>What the tables take for that many pages.</summary>
    public static long Bytes(int pageCount) => (long)pageCount * (1 + IntPtr.Size);

    /// <summary>For each page the mark of a use and, in the lower two bits, the state in it.</summary>
    public byte[] States { get; }

    public byte[]?[] Saved { get; }
}
