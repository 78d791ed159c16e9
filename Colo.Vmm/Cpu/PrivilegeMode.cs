namespace Colo.Vmm.Cpu;

/// <summary>Privilege levels with their encoding of the privileged specification, section 1.2.</summary>
public enum PrivilegeMode
{
    User = 0,
    Supervisor = 1,
    Machine = 3,
}
