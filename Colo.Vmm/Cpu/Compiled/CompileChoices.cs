namespace Colo.Vmm.Cpu.Compiled;

/// <summary>What the compiler needs to know beside the code.</summary>
/// <param name="HostDelta">Host address of a byte of RAM less its guest-physical address.</param>
/// <param name="ShareProbes">Whether accesses off one base register may share a TLB probe.</param>
/// <param name="Number">The region's, see <see cref="CompiledRegion"/>.</param>
internal readonly record struct CompileChoices(ulong HostDelta, bool ShareProbes, int Number);
