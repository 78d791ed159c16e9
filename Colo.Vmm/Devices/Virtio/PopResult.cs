namespace Colo.Vmm.Devices.Virtio;

/// <summary>What <see cref="Virtqueue.TryPop"/> found.</summary>
internal enum PopResult
{
    Empty = 0,
    Chain = 1,

    /// <summary>The ring or a descriptor breaks the rules; the queue must not be used until the device is
    /// reset.</summary>
    Broken = 2,
}
