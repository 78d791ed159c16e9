using Colo.Vmm.Block;

namespace Colo.Vmm.Tests.Block;

/// <summary>One random history: a primary, a secondary's guest and their disk buffer over files that forget.</summary>
internal sealed class DiskBufferWorld
{
    private const int Size = (4 * 65536) + (5 * 512);
    private readonly Random _random;
    private readonly LossyFile _disk;
    private readonly LossyFile _file;
    private readonly DiskBuffer _buffer;
    private readonly byte[] _primary;
    private byte[] _secondary;
    private readonly SortedDictionary<ulong, byte[]> _images = [];
    private readonly PowerSupply _power = new();
    private ulong _open = 7;
    private byte _fill;

    public DiskBufferWorld(int seed)
    {
        _random = new Random(seed);
        _primary = new byte[Size];
        for (var at = 0; at < Size; at += 512)
        {
            // Some sectors stay zeroes: they are kept in another way.
            _primary.AsSpan(at, 512).Fill((byte)(_random.Next(3) == 0 ? 0 : _random.Next(256)));
        }

        _secondary = (byte[])_primary.Clone();
        _disk = new LossyFile(seed + 1, _primary, _power);
        _file = new LossyFile(seed + 2, null, _power);
        _buffer = new DiskBuffer(_disk, _file, new DiskBufferOptions
        {
            MemoryBytes = _random.Next(4) * 100_000,
            CapacityBytes = 12L * Size,
        });
        Ok(_buffer.Start(3, _open));
        Assert.Equal(DiskBufferState.Running, DiskBufferRecovery.Inspect(_file));
    }

    public void RunToFailover()
    {
        RunPair(_random.Next(150));
        var expected = TakeOver();
        Assert.Equal(BlockStatus.IoError, _buffer.PrimaryWrite(_open, 0, new byte[512]));
        CheckRead(expected);
        Ok(_buffer.Merge());
        Same(expected, _disk.Snapshot());
        CheckRead(expected);
        Assert.Equal(DiskBufferStage.Done, _buffer.Stage);
        Assert.Equal(DiskBufferError.None, _buffer.GetError());
        Assert.Equal(DiskBufferState.Merged, DiskBufferRecovery.Inspect(_file));
        Assert.Equal(0, _buffer.UsedBytes);

        // Everything that the merge reported durable is durable.
        _disk.Crash();
        _file.Crash();
        Same(expected, _disk.Snapshot());
        Assert.Equal(DiskBufferState.Merged, DiskBufferRecovery.Inspect(_file));
    }

    public void RunToCrashInMerge()
    {
        RunPair(_random.Next(120));
        _power.FailFrom = _power.Operations + _random.Next(40);
        var expected = TakeOver();
        var merged = _buffer.Merge();
        Assert.True(merged == BlockStatus.Ok || _power.Operations >= _power.FailFrom, $"the merge ended as {merged}");
        _disk.Crash();
        _file.Crash();
        RecoverAndCompare(expected);
    }

    public void RunToCrashWhileRunning()
    {
        RunPair(_random.Next(120));
        _disk.Crash();
        _file.Crash();
        Assert.Equal(DiskBufferState.Running, DiskBufferRecovery.Inspect(_file));
        Assert.Equal(BlockStatus.NotSupported, DiskBufferRecovery.CompleteMerge(_disk, _file));
    }

    public void RunToWritesInMerge()
    {
        RunPair(_random.Next(120));
        var flushed = TakeOver();
        var now = (byte[])flushed.Clone();
        var cut = _random.Next(2) == 0;
        if (cut)
        {
            _power.FailFrom = _power.Operations + _random.Next(60);
        }

        var done = false;
        var history = new List<byte[]> { (byte[])now.Clone() };
        for (var step = 0; step < 30 && !done; step++)
        {
            var status = BlockStatus.Ok;
            switch (_random.Next(5))
            {
                case 0:
                    status = _buffer.MergeStep(1, out _);
                    break;
                case 1:
                    CheckRead(now);
                    break;
                case 2 when _random.Next(4) == 0:
                    status = _buffer.Flush();
                    if (status == BlockStatus.Ok)
                    {
                        history.Clear();
                        history.Add((byte[])now.Clone());
                    }

                    break;
                default:
                    var (offset, data) = RandomWrite();
                    var target = (byte[])now.Clone();
                    data.CopyTo(target, offset);
                    history.Add(target);
                    status = _buffer.Write(offset, data);
                    if (status == BlockStatus.Ok)
                    {
                        now = (byte[])target.Clone();
                    }

                    break;
            }

            done = status != BlockStatus.Ok;
        }

        if (!done && _buffer.Flush() == BlockStatus.Ok)
        {
            history.Clear();
            history.Add(now);
            Same(now, _disk.Snapshot());
        }

        _disk.Crash(tear: false);
        _file.Crash();
        if (DiskBufferRecovery.Inspect(_file) == DiskBufferState.Running)
        {
            // The cut came before the journal was complete: the guest had flushed nothing, and the disk is known to
            // be stale.
            return;
        }

        Ok(DiskBufferRecovery.CompleteMerge(_disk, _file));
        var disk = _disk.Snapshot();
        for (var at = 0; at < Size; at += 512)
        {
            var sector = disk.AsMemory(at, 512);
            Assert.True(
                history.Exists(version => version.AsSpan(at, 512).SequenceEqual(sector.Span)),
                $"sector {at / 512} is none of the {history.Count} versions since the last flush");
        }
    }

    private void RecoverAndCompare(byte[] expected)
    {
        if (DiskBufferRecovery.Inspect(_file) == DiskBufferState.Running)
        {
            return;
        }

        // S11: a second cut, in the middle of the recovery, changes nothing.
        _power.FailFrom = _power.Operations + _random.Next(60);
        var first = DiskBufferRecovery.CompleteMerge(_disk, _file);
        _disk.Crash();
        _file.Crash();
        if (first != BlockStatus.Ok)
        {
            Ok(DiskBufferRecovery.CompleteMerge(_disk, _file));
        }

        Assert.Equal(DiskBufferState.Merged, DiskBufferRecovery.Inspect(_file));
        Same(expected, _disk.Snapshot());
    }

    private byte[] TakeOver()
    {
        var images = _images.Keys.ToArray();
        if (images.Length > 0 && _random.Next(2) == 0)
        {
            var epoch = images[_random.Next(images.Length)];
            BeginTakeOver(epoch);
            return _images[epoch];
        }

        Assert.Equal(BlockStatus.NotSupported, _buffer.Failover(_buffer.LoadedEpoch - 1));
        BeginTakeOver(_buffer.LoadedEpoch);
        return _secondary;
    }

    // Joining two generations may need the buffer file, so the power cut may come here already: the disk is stale then.
    private void BeginTakeOver(ulong epoch)
    {
        var status = _buffer.Failover(epoch);
        Assert.True(
            status == BlockStatus.Ok || (status == BlockStatus.IoError && _power.Operations >= _power.FailFrom),
            $"the takeover ended as {status}");
    }

    private void RunPair(int steps)
    {
        for (var step = 0; step < steps; step++)
        {
            switch (_random.Next(12))
            {
                case 0:
                    Capture();
                    break;
                case 1:
                    Load();
                    break;
                case 2:
                    CheckRead(_secondary);
                    break;
                case 3:
                    var (zeroAt, zeroes) = RandomWrite();
                    Array.Clear(zeroes);
                    if (_random.Next(2) == 0)
                    {
                        zeroes.CopyTo(_primary, zeroAt);
                        Ok(_buffer.PrimaryWriteZeroes(_open, zeroAt, zeroes.Length, mayUnmap: true));
                    }
                    else
                    {
                        zeroes.CopyTo(_secondary, zeroAt);
                        Ok(_buffer.WriteZeroes(zeroAt, zeroes.Length));
                    }

                    break;
                case 4:
                    Ok(_buffer.PrimaryFlush());
                    Ok(_buffer.Flush());
                    break;
                case < 9:
                    var (primaryAt, primaryData) = RandomWrite();
                    primaryData.CopyTo(_primary, primaryAt);
                    Ok(_buffer.PrimaryWrite(_open, primaryAt, primaryData));
                    break;
                default:
                    var (offset, data) = RandomWrite();
                    data.CopyTo(_secondary, offset);
                    Ok(_buffer.Write(offset, data));
                    break;
            }
        }

        Same(_primary, _disk.Snapshot());
    }

    private void Capture()
    {
        _open += (ulong)_random.Next(1, 3);
        Ok(_buffer.Barrier(_open));
        if (_images.Count == 3)
        {
            _images.Remove(_images.Keys.First());
        }

        _images[_open] = (byte[])_primary.Clone();
    }

    private void Load()
    {
        if (_images.Count == 0)
        {
            Assert.Equal(BlockStatus.NotSupported, _buffer.Checkpoint(_open + 1));
            return;
        }

        var epoch = _images.Keys.ElementAt(_random.Next(_images.Count));
        Ok(_buffer.Checkpoint(epoch));
        _secondary = _images[epoch];
        foreach (var older in _images.Keys.Where(key => key <= epoch).ToArray())
        {
            _images.Remove(older);
        }

        // S10: right after the flip of the newest capture nothing is kept but what the primary wrote since.
        if (_images.Count == 0)
        {
            Assert.Equal(epoch, _buffer.LoadedEpoch);
        }
    }

    private (int Offset, byte[] Data) RandomWrite()
    {
        var sectors = Size / 512;
        var count = _random.Next(10) switch
        {
            0 => _random.Next(1, 300),
            < 4 => 8,
            4 => 128 * _random.Next(1, 5),
            _ => _random.Next(1, 20),
        };
        var first = _random.Next(sectors);
        if (count is 8 or >= 128 && count % 128 == 0)
        {
            // Whole pages and whole clusters take other ways than parts of them.
            first -= first % Math.Min(count, 128);
        }

        count = Math.Min(count, sectors - first);
        var data = new byte[count * 512];
        for (var i = 0; i < count; i++)
        {
            data.AsSpan(i * 512, 512).Fill(++_fill);
        }

        return (first * 512, data);
    }

    private void CheckRead(byte[] expected)
    {
        var all = new byte[Size];
        Ok(_buffer.Read(0, all));
        Same(expected, all);
        var first = _random.Next(Size / 512);
        var part = new byte[Math.Min(_random.Next(1, 40), (Size / 512) - first) * 512];
        Ok(_buffer.Read(first * 512, part));
        Assert.True(part.AsSpan().SequenceEqual(expected.AsSpan(first * 512, part.Length)));
    }

    private static void Ok(BlockStatus status) => Assert.Equal(BlockStatus.Ok, status);

    private static void Same(byte[] expected, byte[] actual)
    {
        for (var at = 0; at < expected.Length; at += 512)
        {
            Assert.True(
                expected.AsSpan(at, 512).SequenceEqual(actual.AsSpan(at, 512)),
                $"sector {at / 512} has {actual[at]}, expected {expected[at]}");
        }
    }
}
