using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Colo.Vmm.Cpu;
using Colo.Vmm.Devices;

namespace Colo.Vmm.Machine;

/// <summary>A hart as a section of the state: the bytes of <see cref="HartState"/>, whose layout is frozen by its
/// version.</summary>
internal sealed class HartSection(HartSlot slot) : IStatefulDevice
{
    public string SectionTag => $"HRT{slot.Hart.HartId}";

    public ushort StateVersion => HartState.LayoutVersion;

    /// <summary>The hart itself is reset by <see cref="Restore"/>: its state is complete.</summary>
    public void Reset()
    {
    }

    public void Save(StateWriter writer)
    {
        HartState state = slot.Hart.Save();
        writer.Raw(MemoryMarshal.AsBytes(new ReadOnlySpan<HartState>(in state)));
    }

    public DeviceState? Decode(ref StateReader reader, ushort version)
    {
        reader.Require(version == StateVersion, "hart layout version", version, $"{StateVersion}");
        ReadOnlySpan<byte> bytes = reader.Raw(Unsafe.SizeOf<HartState>(), "hart state");
        if (reader.Failed)
        {
            return null;
        }

        HartState state = MemoryMarshal.Read<HartState>(bytes);
        reader.Require(state.Privilege is 0 or 1 or 3, "hart.privilege", state.Privilege, "0, 1 or 3");
        reader.Require(state.Halted <= 1, "hart.halted", state.Halted, "0 or 1");
        return reader.Failed ? null : new HartSectionState(state);
    }

    public void Restore(DeviceState state)
    {
        HartState saved = ((HartSectionState)state).State;
        slot.Hart.Restore(in saved);
    }
}
