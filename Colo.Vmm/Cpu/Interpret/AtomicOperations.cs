using Colo.Vmm.Cpu.Decode;

namespace Colo.Vmm.Cpu.Interpret;

/// <summary>
/// Read-modify-write of the A extension on host atomics, which are sequentially consistent and so at least as strong
/// as any aq and rl bits ask for.
/// </summary>
internal static class AtomicOperations
{
    public static ulong Apply64(OpCode code, ref long place, long operand)
    {
        switch (code)
        {
            case OpCode.AmoSwapD: return (ulong)Interlocked.Exchange(ref place, operand);
            case OpCode.AmoAddD: return (ulong)(Interlocked.Add(ref place, operand) - operand);
            case OpCode.AmoAndD: return (ulong)Interlocked.And(ref place, operand);
            case OpCode.AmoOrD: return (ulong)Interlocked.Or(ref place, operand);
            default: break;
        }

        while (true)
        {
            long old = Volatile.Read(ref place);
            long now = code switch
            {
                OpCode.AmoXorD => old ^ operand,
                OpCode.AmoMinD => Math.Min(old, operand),
                OpCode.AmoMaxD => Math.Max(old, operand),
                OpCode.AmoMinuD => (long)Math.Min((ulong)old, (ulong)operand),
                _ => (long)Math.Max((ulong)old, (ulong)operand),
            };
            if (Interlocked.CompareExchange(ref place, now, old) == old)
            {
                return (ulong)old;
            }
        }
    }

    public static ulong Apply32(OpCode code, ref int place, int operand)
    {
        switch (code)
        {
            case OpCode.AmoSwapW: return (ulong)Interlocked.Exchange(ref place, operand);
            case OpCode.AmoAddW: return (ulong)(Interlocked.Add(ref place, operand) - operand);
            case OpCode.AmoAndW: return (ulong)Interlocked.And(ref place, operand);
            case OpCode.AmoOrW: return (ulong)Interlocked.Or(ref place, operand);
            default: break;
        }

        while (true)
        {
            int old = Volatile.Read(ref place);
            int now = code switch
            {
                OpCode.AmoXorW => old ^ operand,
                OpCode.AmoMinW => Math.Min(old, operand),
                OpCode.AmoMaxW => Math.Max(old, operand),
                OpCode.AmoMinuW => (int)Math.Min((uint)old, (uint)operand),
                _ => (int)Math.Max((uint)old, (uint)operand),
            };
            if (Interlocked.CompareExchange(ref place, now, old) == old)
            {
                return (ulong)old;
            }
        }
    }
}
