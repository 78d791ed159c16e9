namespace Colo.Vmm.Cpu.Compiled;

/// <summary>Compiled code of a region; <paramref name="entry"/> is an index into its entries.</summary>
internal unsafe delegate void RegionDelegate(HartContext* context, int entry);
