using System.Reflection.Emit;
using System.Runtime.InteropServices;

namespace Colo.Vmm.Cpu.Compiled;

/// <summary>Places in the <see cref="HartContext"/> that is a region's first argument.</summary>
internal static class ContextField
{
    /// <summary>Bytes from the context's start.</summary>
    public static int Offset(string field) => (int)Marshal.OffsetOf<HartContext>(field);

    /// <summary>The same of what is in the part that is saved and seldom used.</summary>
    public static int Cold(string field) => Offset(nameof(HartContext.Cold)) + (int)Marshal.OffsetOf<HartState>(field);

    /// <summary>Pushes the address of what is at an offset.</summary>
    public static void EmitPlace(this ILGenerator il, int offset)
    {
        il.Emit(OpCodes.Ldarg_0);
        il.Emit(OpCodes.Ldc_I4, offset);
        il.Emit(OpCodes.Add);
    }
}
