using Colo.Vmm.Cpu.Decode;

namespace Colo.Vmm.Cpu.Compiled;

/// <summary>
/// Finds the loads and stores of a block that go through the same base register while it does not change: saved
/// registers of a prologue, fields of a structure. Nothing that could change what is mapped comes between them, so the
/// first one's probe serves all, provided that all lie in one page. A region where they often do not is compiled again
/// without this.
/// </summary>
internal static class ProbeGroups
{
    /// <summary>Bytes from the first to the last that a group may span: the further apart, the more often they lie in
    /// two pages.</summary>
    private const int SpanMax = 256;

    /// <summary>The group of each instruction of the block; null for those that probe alone.</summary>
    public static ProbeGroup?[] Of(RegionBlock block)
    {
        var groups = new ProbeGroup?[block.Instructions.Length];
        var open = new ProbeGroup?[33];
        for (int i = 0; i < block.Instructions.Length; i++)
        {
            Op op = block.Instructions[i].Op;
            int size = AccessSize(op.Code);
            if (size != 0 && op.Rs1 != 0)
            {
                ProbeGroup? group = open[op.Rs1];
                if (group is null || !group.TryAdd(op.Imm, size, SpanMax))
                {
                    group = new ProbeGroup(i, op.Imm, size);
                    open[op.Rs1] = group;
                }

                group.Writes |= IsStore(op.Code);
                groups[i] = group;
            }

            if (op.Code == OpCode.System && CsrOpCompiler.MayChangeAccess(op))
            {
                Array.Clear(open);
            }

            int written = OpOperands.Of(op).IntegerWrite;
            if (written is >= 0 and < 32)
            {
                open[written] = null;
            }
        }

        for (int i = 0; i < groups.Length; i++)
        {
            if (groups[i] is { Count: 1 })
            {
                groups[i] = null;
            }
        }

        return groups;
    }

    public static int AccessSize(OpCode code) => code switch
    {
        OpCode.Lb or OpCode.Lbu or OpCode.Sb => 1,
        OpCode.Lh or OpCode.Lhu or OpCode.Sh => 2,
        OpCode.Lw or OpCode.Lwu or OpCode.Sw or OpCode.Flw or OpCode.Fsw => 4,
        OpCode.Ld or OpCode.Sd or OpCode.Fld or OpCode.Fsd => 8,
        _ => 0,
    };

    private static bool IsStore(OpCode code) => code is (>= OpCode.Sb and <= OpCode.Sd) or OpCode.Fsw or OpCode.Fsd;
}
