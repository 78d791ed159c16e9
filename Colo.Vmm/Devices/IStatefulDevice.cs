namespace Colo.Vmm.Devices;

/// <summary>
/// A device whose state travels. Restoring has two steps so that a bad stream leaves the machine as it was: first every
/// section is decoded into a <see cref="DeviceState"/>, then all devices are reset and take their states.
/// The layout of each section is in docs/protocol-machine-state.md.
/// </summary>
internal interface IStatefulDevice
{
    /// <summary>Four ASCII characters that name the kind of device.</summary>
    string SectionTag { get; }

    /// <summary>Version that <see cref="Save"/> writes. <see cref="Decode"/> is never called with a newer
    /// one.</summary>
    ushort StateVersion { get; }

    /// <summary>Back to power-on. Also drops what waits in host-side queues.</summary>
    void Reset();

    void Save(StateWriter writer);

    /// <summary>
    /// Reads and checks a section; null (and <see cref="StateReader.Error"/> set) when it cannot be this device's
    /// state. Changes nothing.
    /// </summary>
    DeviceState? Decode(ref StateReader reader, ushort version);

    /// <summary>Takes a state that <see cref="Decode"/> returned, right after <see cref="Reset"/>.</summary>
    void Restore(DeviceState state);
}
