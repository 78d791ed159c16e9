using Colo.Vmm.Cpu.Decode;

namespace Colo.Vmm.Cpu.Float;

/// <summary>
/// Executes any F or D computation by the exact path. Registers, rounding mode and flags as the unprivileged
/// specification has them (chapters 20 and 21). The caller has checked that the FPU is on.
/// </summary>
internal static unsafe class FloatUnit
{
    /// <summary>False when the rounding mode is reserved: an illegal instruction.</summary>
    public static bool Execute(Op* op, HartContext* c)
    {
        RoundingMode rm = (RoundingMode)(op->Imm & 7);
        if (UsesRounding(op->Code))
        {
            rm = rm == RoundingMode.Dynamic ? (RoundingMode)c->Frm : rm;
            if (rm > RoundingMode.NearestMaxMagnitude)
            {
                return false;
            }
        }

        bool isDouble = op->Code >= OpCode.FmaddD;
        OpCode code = op->Code;
        if (code is OpCode.FcvtSD or OpCode.FcvtDS)
        {
            ConvertFormat(op, c, rm);
        }
        else if (ToIntegerRegister(code))
        {
            c->X[op->Rd] = isDouble ? ToInteger(op, c, rm, Normalized(code), FloatFormat.Double)
                : ToInteger(op, c, rm, code, FloatFormat.Single);
            // Only the flags can have changed; that is state of the FPU too.
            c->Fs = 3;
        }
        else
        {
            FloatFormat f = isDouble ? FloatFormat.Double : FloatFormat.Single;
            ulong result = Compute(op, c, rm, isDouble ? Normalized(code) : code, f, isDouble);
            c->F[op->Rd] = isDouble ? result : FloatFormat.Box((uint)result);
            c->Fs = 3;
        }

        return true;
    }

    /// <summary>Operations with a rounding mode field; in the others the field selects the operation.</summary>
    private static bool UsesRounding(OpCode code) => code switch
    {
        >= OpCode.FsgnjS and <= OpCode.FmaxS => false,
        >= OpCode.FmvXW and <= OpCode.FclassS => false,
        OpCode.FmvWX => false,
        >= OpCode.FsgnjD and <= OpCode.FmaxD => false,
        >= OpCode.FmvXD and <= OpCode.FclassD => false,
        OpCode.FmvDX => false,
        _ => true,
    };

    private static bool ToIntegerRegister(OpCode code) => code is
        (>= OpCode.FcvtWS and <= OpCode.FclassS) or (>= OpCode.FcvtWD and <= OpCode.FclassD);

    /// <summary>The single-precision operation of the same name.</summary>
    private static OpCode Normalized(OpCode code) => code < OpCode.FcvtSD
        ? code - (OpCode.FmaddD - OpCode.FmaddS)
        : code - (OpCode.FcvtWD - OpCode.FcvtWS);

    private static ulong Operand(HartContext* c, int register, bool isDouble) =>
        isDouble ? c->F[register] : FloatFormat.Unbox(c->F[register]);

    private static void ConvertFormat(Op* op, HartContext* c, RoundingMode rm)
    {
        c->F[op->Rd] = op->Code == OpCode.FcvtDS
            ? FloatConversion.ToOther(
                FloatFormat.Unbox(c->F[op->Rs1]), FloatFormat.Single, FloatFormat.Double, rm, ref c->Fflags)
            : FloatFormat.Box((uint)FloatConversion.ToOther(
                c->F[op->Rs1], FloatFormat.Double, FloatFormat.Single, rm, ref c->Fflags));
        c->Fs = 3;
    }

    private static ulong ToInteger(Op* op, HartContext* c, RoundingMode rm, OpCode code, FloatFormat f)
    {
        bool isDouble = f.FractionBits == 52;
        ref uint flags = ref c->Fflags;
        ulong raw = c->F[op->Rs1];
        ulong a = Operand(c, op->Rs1, isDouble);
        ulong b = Operand(c, op->Rs2, isDouble);
        return code switch
        {
            OpCode.FcvtWS => FloatConversion.ToInteger(a, f, signed: true, wide: false, rm, ref flags),
            OpCode.FcvtWuS => FloatConversion.ToInteger(a, f, signed: false, wide: false, rm, ref flags),
            OpCode.FcvtLS => FloatConversion.ToInteger(a, f, signed: true, wide: true, rm, ref flags),
            OpCode.FcvtLuS => FloatConversion.ToInteger(a, f, signed: false, wide: true, rm, ref flags),
            OpCode.FmvXW => isDouble ? raw : (ulong)(int)raw,
            OpCode.FeqS => FloatCompare.Equal(a, b, f, ref flags) ? 1UL : 0,
            OpCode.FltS => FloatCompare.Less(a, b, f, ref flags) ? 1UL : 0,
            OpCode.FleS => FloatCompare.LessOrEqual(a, b, f, ref flags) ? 1UL : 0,
            _ => FloatCompare.Classify(a, f),
        };
    }

    private static ulong Compute(Op* op, HartContext* c, RoundingMode rm, OpCode code, FloatFormat f, bool isDouble)
    {
        ref uint flags = ref c->Fflags;
        ulong x = c->X[op->Rs1];
        ulong a = Operand(c, op->Rs1, isDouble);
        ulong b = Operand(c, op->Rs2, isDouble);
        ulong third = code <= OpCode.FnmaddS ? Operand(c, op->Imm >> 8 & 31, isDouble) : 0;
        ulong sign = f.SignBit;
        return code switch
        {
            OpCode.FmaddS => SoftFloat.MultiplyAdd(a, b, third, f, rm, ref flags),
            OpCode.FmsubS => SoftFloat.MultiplyAdd(a, b, third ^ sign, f, rm, ref flags),
            OpCode.FnmsubS => SoftFloat.MultiplyAdd(a ^ sign, b, third, f, rm, ref flags),
            OpCode.FnmaddS => SoftFloat.MultiplyAdd(a ^ sign, b, third ^ sign, f, rm, ref flags),
            OpCode.FaddS => SoftFloat.Add(a, b, f, rm, ref flags),
            OpCode.FsubS => SoftFloat.Add(a, b ^ sign, f, rm, ref flags),
            OpCode.FmulS => SoftFloat.Multiply(a, b, f, rm, ref flags),
            OpCode.FdivS => SoftFloat.Divide(a, b, f, rm, ref flags),
            OpCode.FsqrtS => SoftFloat.SquareRoot(a, f, rm, ref flags),
            OpCode.FsgnjS => a & ~sign | b & sign,
            OpCode.FsgnjnS => a & ~sign | ~b & sign,
            OpCode.FsgnjxS => a ^ b & sign,
            OpCode.FminS => FloatCompare.MinMax(a, b, maximum: false, f, ref flags),
            OpCode.FmaxS => FloatCompare.MinMax(a, b, maximum: true, f, ref flags),
            OpCode.FcvtSW => FromSigned((int)x, f, rm, ref flags),
            OpCode.FcvtSWu => FloatConversion.FromInteger(false, (uint)x, f, rm, ref flags),
            OpCode.FcvtSL => FromSigned((long)x, f, rm, ref flags),
            OpCode.FcvtSLu => FloatConversion.FromInteger(false, x, f, rm, ref flags),
            _ => isDouble ? x : (uint)x,
        };
    }

    private static ulong FromSigned(long value, FloatFormat f, RoundingMode rm, ref uint flags) =>
        FloatConversion.FromInteger(value < 0, value < 0 ? 0 - (ulong)value : (ulong)value, f, rm, ref flags);
}
