namespace Colo.Vmm.Block;

/// <summary>
/// A file for power-cut tests: <see cref="Crash"/> keeps what was flushed and, of each 512-byte sector written
/// since, a random one of the versions it had; one sector may be torn in its middle. Deterministic by its seed.
/// </summary>
public sealed class LossyFile : IStorageFile
{
    private const int Sector = 512;
    private readonly Lock _lock = new();
    private readonly Random _random;
    private readonly Dictionary<long, List<byte[]>> _unflushed = [];
    private readonly PowerSupply _power;
    private byte[] _now;
    private int _length;
    private byte[] _durable;

    /// <summary>An empty or given file; <paramref name="seed"/> decides what a crash loses. Files on one supply
    /// lose power at the same moment.</summary>
    public LossyFile(int seed, byte[]? content = null, PowerSupply? power = null)
    {
        _power = power ?? new PowerSupply();
        _random = new Random(seed);
        _now = (byte[]?)content?.Clone() ?? [];
        _length = _now.Length;
        _durable = (byte[])_now.Clone();
    }

    /// <summary>When it fails.</summary>
    public PowerSupply Power => _power;

    /// <inheritdoc/>
    public long Length
    {
        get
        {
            lock (_lock)
            {
                return _length;
            }
        }
    }

    /// <summary>A copy of the present content.</summary>
    public byte[] Snapshot()
    {
        lock (_lock)
        {
            return _now.AsSpan(0, _length).ToArray();
        }
    }

    /// <summary>Cuts the power and turns it on again: afterwards the content is one that the medium may have.</summary>
    public void Crash(bool tear = true)
    {
        lock (_lock)
        {
            var result = new byte[_length];
            _durable.AsSpan(0, Math.Min(_durable.Length, result.Length)).CopyTo(result);
            var keys = _unflushed.Keys.Order().ToArray();
            var torn = tear && keys.Length > 0 ? keys[_random.Next(keys.Length)] : -1;
            foreach (var sector in keys)
            {
                var versions = _unflushed[sector];
                var pick = _random.Next(versions.Count + 1);
                var at = (int)(sector * Sector);
                var length = Math.Min(Sector, result.Length - at);
                if (pick > 0 && length > 0)
                {
                    var kept = sector == torn ? _random.Next(length + 1) : length;
                    versions[pick - 1].AsSpan(0, kept).CopyTo(result.AsSpan(at));
                }
            }

            _now = result;
            _durable = (byte[])result.Clone();
            _unflushed.Clear();
            _power.FailFrom = int.MaxValue;
        }
    }

    /// <inheritdoc/>
    public BlockStatus Read(long offset, Span<byte> destination)
    {
        lock (_lock)
        {
            destination.Clear();
            if (offset < _length)
            {
                var count = (int)Math.Min(destination.Length, _length - offset);
                _now.AsSpan((int)offset, count).CopyTo(destination);
            }

            return BlockStatus.Ok;
        }
    }

    /// <inheritdoc/>
    public BlockStatus Write(long offset, ReadOnlySpan<byte> source)
    {
        lock (_lock)
        {
            if (_power.IsGone())
            {
                return BlockStatus.IoError;
            }

            Grow(offset + source.Length);
            source.CopyTo(_now.AsSpan((int)offset));
            Remember(offset, source.Length);
            return BlockStatus.Ok;
        }
    }

    /// <inheritdoc/>
    public BlockStatus Flush()
    {
        lock (_lock)
        {
            if (_power.IsGone())
            {
                return BlockStatus.IoError;
            }

            if (_durable.Length < _length)
            {
                Array.Resize(ref _durable, _now.Length);
            }

            foreach (var sector in _unflushed.Keys)
            {
                var at = (int)(sector * Sector);
                if (at < _length)
                {
                    _now.AsSpan(at, Math.Min(Sector, _length - at)).CopyTo(_durable.AsSpan(at));
                }
            }

            _unflushed.Clear();
            return BlockStatus.Ok;
        }
    }

    /// <inheritdoc/>
    public BlockStatus SetLength(long length)
    {
        lock (_lock)
        {
            if (_power.IsGone())
            {
                return BlockStatus.IoError;
            }

            var size = checked((int)length);
            if (size < _length)
            {
                _now.AsSpan(size).Clear();
            }

            Grow(size);
            _length = size;
            return BlockStatus.Ok;
        }
    }

    /// <inheritdoc/>
    public BlockStatus ZeroRange(long offset, long length, bool mayUnmap) =>
        Write(offset, new byte[checked((int)length)]);

    /// <inheritdoc/>
    public bool IsAllocated(long offset, out long end)
    {
        end = Length;
        return true;
    }

    /// <summary>Nothing to give back: a test opens the same object again after a crash.</summary>
    public void Dispose()
    {
    }

    private void Grow(long length)
    {
        if (length > _now.Length)
        {
            Array.Resize(ref _now, checked((int)Math.Max(length, Math.Min(int.MaxValue / 2, 2L * _now.Length))));
        }

        _length = (int)Math.Max(_length, length);
    }

    private void Remember(long offset, int length)
    {
        for (var sector = offset / Sector; length > 0 && sector <= (offset + length - 1) / Sector; sector++)
        {
            if (!_unflushed.TryGetValue(sector, out var versions))
            {
                _unflushed[sector] = versions = [];
            }

            var at = (int)(sector * Sector);
            var version = new byte[Math.Min(Sector, _length - at)];
            _now.AsSpan(at, version.Length).CopyTo(version);
            versions.Add(version);
        }
    }
}
