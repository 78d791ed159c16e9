using Colo.Vmm.Memory;

namespace Colo.Vmm.Devices.Virtio;

/// <summary>What a virtio function may ask of the register block in front of it.</summary>
internal interface IVirtioTransport
{
    GuestRam Ram { get; }

    IMachineWaker Waker { get; }

    /// <summary>The driver has finished its set-up and the device has not been broken since.</summary>
    bool IsRunning { get; }

    Virtqueue Queue(int index);

    /// <summary>Raises the queue interrupt if the driver wants one for what has been published since the last
    /// call.</summary>
    void Signal(Virtqueue queue);

    /// <summary>The driver broke the rules: DEVICE_NEEDS_RESET, and nothing more is done until it resets the
    /// device.</summary>
    void Break(string reason);
}
