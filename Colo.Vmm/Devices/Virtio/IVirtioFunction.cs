namespace Colo.Vmm.Devices.Virtio;

/// <summary>
/// What a virtio device does, apart from the register block in front of it. Everything is called on the machine's
/// thread. A function answers bad queue content with <see cref="IVirtioTransport.Break"/> and never throws.
/// </summary>
internal interface IVirtioFunction
{
    /// <summary>Device id of virtio 1.2 chapter 5: 1 net, 2 block, 3 console, 4 entropy, 18 input.</summary>
    uint DeviceId { get; }

    /// <summary>Feature bits of this kind of device; the transport adds its own.</summary>
    ulong Features { get; }

    int QueueCount { get; }

    /// <summary>The configuration space as it stands now.</summary>
    ReadOnlySpan<byte> Config { get; }

    /// <summary>The driver writes a byte of the configuration space; nothing for devices whose space is read
    /// only.</summary>
    void WriteConfig(int offset, byte value)
    {
    }

    /// <summary>Requests that have been taken from a queue and not been answered yet; zero when drained.</summary>
    int RequestsInFlight { get; }

    /// <summary>Called once, before anything else.</summary>
    void Attach(IVirtioTransport transport);

    /// <summary>
    /// The driver has set DRIVER_OK (each queue is notified next), or a running device was restored. Touches no queue:
    /// RAM may not have been restored yet.
    /// </summary>
    void Start(ulong features);

    /// <summary>The driver has written QueueNotify.</summary>
    void Notify(int queueIndex);

    /// <summary>Something arrived from outside the guest.</summary>
    void Service();

    void Reset();

    /// <summary>Version of what <see cref="Save"/> writes.</summary>
    ushort StateVersion { get; }

    void Save(StateWriter writer);

    DeviceState? Decode(ref StateReader reader, ushort version);

    void Restore(DeviceState state);
}
