using Colo.Vmm.Checksums;

namespace Colo.Vmm.Checkpoint.Secondary;

/// <summary>
/// Collects the device state of one checkpoint. Grows with what has really arrived, not with what was announced, and
/// keeps its room for the next checkpoint.
/// </summary>
internal sealed class DeviceState
{
    private byte[] _bytes = [];
    private int _length;

    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _length);

    public int Length => _length;

    public void Clear() => _length = 0;

    public void Append(ReadOnlySpan<byte> piece)
    {
        if (_length + piece.Length > _bytes.Length)
        {
            Array.Resize(ref _bytes, Math.Max(_length + piece.Length, 2 * _bytes.Length));
        }

        piece.CopyTo(_bytes.AsSpan(_length));
        _length += piece.Length;
    }

    public uint Crc => Crc32C.Compute(Bytes);
}
