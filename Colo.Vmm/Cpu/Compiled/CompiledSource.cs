using System.Reflection;
using System.Reflection.Emit;

namespace Colo.Vmm.Cpu.Compiled;

/// <summary>
/// A dynamic method keeps the generator of its IL, with labels and places to patch, and a copy of the IL as long as it
/// lives: six KiB a region. None of it is read again once the method is compiled, because
/// dynamic methods are compiled once. There is no public way to let go of it, so this goes by the names of the
/// fields; where a runtime has others, the memory stays taken and nothing else changes.
/// </summary>
internal static class CompiledSource
{
    private const BindingFlags Private = BindingFlags.Instance | BindingFlags.NonPublic;
    private static readonly FieldInfo? s_generator = typeof(DynamicMethod).GetField("_ilGenerator", Private);
    private static readonly FieldInfo? s_resolver = typeof(DynamicMethod).GetField("_resolver", Private);
    private static readonly FieldInfo? s_code = s_resolver?.FieldType.GetField("m_code", Private);

    /// <summary>Whether this runtime is one whose fields are known.</summary>
    public static bool IsKnown =>
        s_generator is { FieldType.IsValueType: false } && s_code is { } code && code.FieldType == typeof(byte[]);

    /// <summary>Call when the delegate's machine code exists.</summary>
    public static void Drop(Delegate compiled)
    {
        if (!IsKnown || compiled.Method is not DynamicMethod method)
        {
            return;
        }

        s_generator!.SetValue(method, null);
        if (s_resolver!.GetValue(method) is { } resolver)
        {
            s_code!.SetValue(resolver, Array.Empty<byte>());
        }
    }
}
