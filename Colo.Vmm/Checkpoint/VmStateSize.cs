using System.Buffers.Binary;

namespace Colo.Vmm.Checkpoint;

/// <summary>
/// Payload of vmstate-size: what the secondary must have, all of it, before it may say vmstate-received.
/// </summary>
/// <param name="PagesSent">Pages in the checkpoint's own chunks, over all channels.</param>
/// <param name="PagesStaged">Different pages staged for it, those sent ahead included.</param>
/// <param name="PageSetDigest">Sum of <see cref="PageHash.OfNumber"/> over the staged pages.</param>
/// <param name="DeviceBytes">Length of the device state that follows.</param>
/// <param name="DeviceCrc">CRC-32C of all of it.</param>
internal readonly record struct VmStateSize(
    ulong PagesSent, ulong PagesStaged, ulong PageSetDigest, int DeviceBytes, uint DeviceCrc)
{
    public const int Size = 32;

    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination, PagesSent);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[8..], PagesStaged);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[16..], PageSetDigest);
        BinaryPrimitives.WriteInt32LittleEndian(destination[24..], DeviceBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[28..], DeviceCrc);
    }

    public static bool TryRead(ReadOnlySpan<byte> source, out VmStateSize value)
    {
        value = new VmStateSize(
            BinaryPrimitives.ReadUInt64LittleEndian(source),
            BinaryPrimitives.ReadUInt64LittleEndian(source[8..]),
            BinaryPrimitives.ReadUInt64LittleEndian(source[16..]),
            BinaryPrimitives.ReadInt32LittleEndian(source[24..]),
            BinaryPrimitives.ReadUInt32LittleEndian(source[28..]));
        return value.DeviceBytes is >= 0 and <= FrameLimits.DeviceStateMax;
    }
}
