using System.Reflection.Emit;
using System.Runtime.CompilerServices;
using Colo.Vmm.Cpu.Compiled;

namespace Colo.Vmm.Tests.Cpu;

public sealed class CompiledSourceTests
{
    /// <summary>Fails on a runtime that names the fields otherwise: machines hold some MiB more there.</summary>
    [Fact]
    public void Compiled_method_lets_go_of_its_il_and_still_runs()
    {
        Assert.True(CompiledSource.IsKnown, "this runtime keeps the IL of dynamic methods in other fields");
        (Func<int, int> compiled, WeakReference generator) = Compile();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        Assert.False(generator.IsAlive, "the generator is still reachable");
        Assert.Equal(42, compiled(35));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static (Func<int, int> Compiled, WeakReference Generator) Compile()
    {
        DynamicMethod method = new("AddSeven", typeof(int), [typeof(int)], typeof(CompiledSourceTests).Module, true);
        ILGenerator il = method.GetILGenerator();
        il.Emit(OpCodes.Ldarg_0);
        il.Emit(OpCodes.Ldc_I4_7);
        il.Emit(OpCodes.Add);
        il.Emit(OpCodes.Ret);
        Func<int, int> compiled = method.CreateDelegate<Func<int, int>>();
        RuntimeHelpers.PrepareDelegate(compiled);
        CompiledSource.Drop(compiled);
        return (compiled, new WeakReference(il));
    }
}
