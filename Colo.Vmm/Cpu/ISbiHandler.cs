namespace Colo.Vmm.Cpu;

/// <summary>
/// Built-in firmware. When installed it receives every ecall from S-mode instead of the trap to M-mode, with the hart
/// standing behind the ecall: a7 is the extension, a6 the function, a0 to a5 arguments; results go to a0 and a1.
/// </summary>
public interface ISbiHandler
{
    void HandleCall(Hart hart);
}
