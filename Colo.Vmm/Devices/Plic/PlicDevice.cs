namespace Colo.Vmm.Devices.Plic;

/// <summary>
/// RISC-V platform-level interrupt controller, as SiFive's: two contexts a hart, context 2h raises MEIP (bit 11) of
/// hart h, context 2h+1 raises SEIP (bit 9).
/// <code>
///   line high, not pending, not claimed -> pending -> claim -> claimed -> complete -> (line still high? pending)
/// </code>
/// A request that has been accepted stays pending even if its line falls before the claim.
/// Source: RISC-V PLIC specification 1.0.0, chapters 1, 3 to 8.
/// </summary>
internal sealed class PlicDevice : IMmioDevice, IStatefulDevice
{
    public const ulong SizeBytes = 0x60_0000;

    /// <summary>Highest source number; QEMU's <c>virt</c> announces the same.</summary>
    public const int SourceMax = 95;
    private const uint PriorityMask = 7;
    private const int WordCount = (SourceMax / 32) + 1;
    private const ulong PendingBase = 0x1000;
    private const ulong EnableBase = 0x2000;
    private const ulong EnableStride = 0x80;
    private const ulong ContextBase = 0x20_0000;
    private const ulong ContextStride = 0x1000;

    private readonly IHartInterrupts[] _harts;
    private readonly uint[] _priorities = new uint[SourceMax + 1];
    private readonly uint[] _levels = new uint[WordCount];
    private readonly uint[] _pending = new uint[WordCount];
    private readonly uint[] _claimed = new uint[WordCount];
    private readonly uint[] _enables;
    private readonly uint[] _thresholds;

    public PlicDevice(IHartInterrupts[] harts)
    {
        _harts = harts;
        _thresholds = new uint[harts.Length * 2];
        _enables = new uint[harts.Length * 2 * WordCount];
        Reset();
    }

    public string SectionTag => "PLIC";

    public ushort StateVersion => 1;

    public int ContextCount => _thresholds.Length;

    public IInterruptLine Line(int source) => new PlicLine(this, source);

    public void Reset()
    {
        Array.Clear(_priorities);
        Array.Clear(_levels);
        Array.Clear(_pending);
        Array.Clear(_claimed);
        Array.Clear(_enables);
        Array.Clear(_thresholds);
        UpdateAll();
    }

    public void SetLevel(int source, bool level)
    {
        uint bit = 1u << (source & 31);
        ref uint word = ref _levels[source >> 5];
        if (((word & bit) != 0) == level)
        {
            return;
        }

        word ^= bit;
        if (level && (_claimed[source >> 5] & bit) == 0)
        {
            _pending[source >> 5] |= bit;
            UpdateAll();
        }
    }

    public ulong Read(ulong offset, int size)
    {
        if (offset < PendingBase)
        {
            return offset / 4 <= SourceMax ? _priorities[offset / 4] : 0;
        }

        if (offset < EnableBase)
        {
            ulong word = (offset - PendingBase) / 4;
            return word < WordCount ? _pending[word] : 0;
        }

        if (offset < ContextBase)
        {
            return TryEnableIndex(offset, out int index) ? _enables[index] : 0;
        }

        int context = (int)((offset - ContextBase) / ContextStride);
        if (context >= ContextCount)
        {
            return 0;
        }

        return ((offset - ContextBase) % ContextStride) switch
        {
            0 => _thresholds[context],
            4 => Claim(context),
            _ => 0,
        };
    }

    public void Write(ulong offset, int size, ulong value)
    {
        if (offset < PendingBase)
        {
            if (offset / 4 is > 0 and <= SourceMax)
            {
                _priorities[offset / 4] = (uint)value & PriorityMask;
                UpdateAll();
            }
        }
        else if (offset is >= EnableBase and < ContextBase)
        {
            if (TryEnableIndex(offset, out int index))
            {
                // Source 0 means "no interrupt" and cannot be enabled.
                _enables[index] = index % WordCount == 0 ? (uint)value & ~1u : (uint)value;
                Update(index / WordCount);
            }
        }
        else if (offset >= ContextBase)
        {
            WriteContext((int)((offset - ContextBase) / ContextStride), (offset - ContextBase) % ContextStride, (uint)value);
        }
    }

    public void Save(StateWriter writer)
    {
        writer.UInt8((byte)ContextCount);
        SaveWords(writer, _priorities);
        SaveWords(writer, _levels);
        SaveWords(writer, _pending);
        SaveWords(writer, _claimed);
        SaveWords(writer, _enables);
        SaveWords(writer, _thresholds);
    }

    public DeviceState? Decode(ref StateReader reader, ushort version)
    {
        int contexts = reader.UInt8("plic.contexts");
        reader.Require(contexts == ContextCount, "plic.contexts", (ulong)contexts, $"{ContextCount}");
        if (reader.Failed)
        {
            return null;
        }

        var state = new PlicState(
            DecodeWords(ref reader, _priorities.Length, "plic.priority", PriorityMask),
            DecodeWords(ref reader, WordCount, "plic.level", uint.MaxValue),
            DecodeWords(ref reader, WordCount, "plic.pending", uint.MaxValue),
            DecodeWords(ref reader, WordCount, "plic.claimed", uint.MaxValue),
            DecodeWords(ref reader, _enables.Length, "plic.enable", uint.MaxValue),
            DecodeWords(ref reader, _thresholds.Length, "plic.threshold", PriorityMask));
        return reader.Failed ? null : state;
    }

    public void Restore(DeviceState state)
    {
        var saved = (PlicState)state;
        saved.Priorities.CopyTo(_priorities, 0);
        saved.Levels.CopyTo(_levels, 0);
        saved.Pending.CopyTo(_pending, 0);
        saved.Claimed.CopyTo(_claimed, 0);
        saved.Enables.CopyTo(_enables, 0);
        saved.Thresholds.CopyTo(_thresholds, 0);
        UpdateAll();
    }

    private static void SaveWords(StateWriter writer, uint[] words)
    {
        foreach (uint word in words)
        {
            writer.UInt32(word);
        }
    }

    private static uint[] DecodeWords(ref StateReader reader, int count, string field, uint mask)
    {
        var words = new uint[count];
        for (int i = 0; i < count && !reader.Failed; i++)
        {
            words[i] = reader.UInt32(field);
            reader.Require((words[i] & ~mask) == 0, field, words[i], $"bits within 0x{mask:x}");
        }

        return words;
    }

    private bool TryEnableIndex(ulong offset, out int index)
    {
        int context = (int)((offset - EnableBase) / EnableStride);
        int word = (int)((offset - EnableBase) % EnableStride / 4);
        index = (context * WordCount) + word;
        return context < ContextCount && word < WordCount;
    }

    private void WriteContext(int context, ulong register, uint value)
    {
        if (context >= ContextCount)
        {
            return;
        }

        if (register == 0)
        {
            _thresholds[context] = value & PriorityMask;
            Update(context);
        }
        else if (register == 4)
        {
            Complete(context, value);
        }
    }

    private uint Claim(int context)
    {
        int source = Best(context, threshold: 0);
        if (source != 0)
        {
            uint bit = 1u << (source & 31);
            _pending[source >> 5] &= ~bit;
            _claimed[source >> 5] |= bit;
            UpdateAll();
        }

        return (uint)source;
    }

    private void Complete(int context, uint source)
    {
        // A completion of a source that this context has not enabled is ignored (PLIC chapter 9).
        if (source is 0 or > SourceMax || (_enables[(context * WordCount) + (int)(source >> 5)] & (1u << (int)(source & 31))) == 0)
        {
            return;
        }

        uint bit = 1u << (int)(source & 31);
        uint word = source >> 5;
        if ((_claimed[word] & bit) == 0)
        {
            return;
        }

        _claimed[word] &= ~bit;
        if ((_levels[word] & bit) != 0)
        {
            _pending[word] |= bit;
            UpdateAll();
        }
    }

    /// <summary>The pending, enabled source with the highest priority above the threshold; ties go to the lowest
    /// number.</summary>
    private int Best(int context, uint threshold)
    {
        int best = 0;
        uint bestPriority = threshold;
        for (int word = 0; word < WordCount; word++)
        {
            uint candidates = _pending[word] & _enables[(context * WordCount) + word];
            while (candidates != 0)
            {
                int source = (word * 32) + System.Numerics.BitOperations.TrailingZeroCount(candidates);
                candidates &= candidates - 1;
                if (_priorities[source] > bestPriority)
                {
                    best = source;
                    bestPriority = _priorities[source];
                }
            }
        }

        return best;
    }

    private void UpdateAll()
    {
        for (int context = 0; context < ContextCount; context++)
        {
            Update(context);
        }
    }

    private void Update(int context)
    {
        const int MachineExternal = 11;
        const int SupervisorExternal = 9;
        bool level = Best(context, _thresholds[context]) != 0;
        _harts[context / 2].SetInterrupt((context & 1) == 0 ? MachineExternal : SupervisorExternal, level);
    }

    private sealed class PlicLine(PlicDevice plic, int source) : IInterruptLine
    {
        public void Set(bool level) => plic.SetLevel(source, level);
    }
}
