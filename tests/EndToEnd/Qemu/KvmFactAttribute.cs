namespace Colo.EndToEnd.Qemu;

/// <summary>A test with guests under KVM. Where there is none it is reported as skipped, and the tests under TCG are
/// what is left.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class KvmFactAttribute : FactAttribute
{
    public KvmFactAttribute()
    {
        Skip = Kvm.Missing;
    }
}

/// <summary>As <see cref="KvmFactAttribute"/>, with data.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class KvmTheoryAttribute : TheoryAttribute
{
    public KvmTheoryAttribute()
    {
        Skip = Kvm.Missing;
    }
}

/// <summary>Whether this machine has KVM.</summary>
internal static class Kvm
{
    /// <summary>Null, or why not.</summary>
    public static string? Missing { get; } = Probe();

    private static string? Probe()
    {
        try
        {
            using FileStream device = new("/dev/kvm", FileMode.Open, FileAccess.ReadWrite);
            return null;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return $"needs KVM: {problem.Message}";
        }
    }
}
