namespace Colo.Vmm.Block.Nbd;

/// <summary>One request of a client while the server works on it; pooled by its connection.</summary>
internal sealed class NbdServerRequest
{
    /// <summary>Room in front of the payload, so that header and payload of an answer are one piece.</summary>
    public const int HeaderRoom = 64;

    public ushort Type { get; set; }

    public ushort Flags { get; set; }

    public ulong Cookie { get; set; }

    public long Offset { get; set; }

    public uint Length { get; set; }

    /// <summary>Rented: <see cref="HeaderRoom"/> bytes and the payload.</summary>
    public byte[]? Buffer { get; set; }

    public Memory<byte> Payload => Buffer.AsMemory(HeaderRoom, (int)Length);

    public bool Has(ushort flag) => (Flags & flag) != 0;
}
