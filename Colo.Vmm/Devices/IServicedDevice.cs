namespace Colo.Vmm.Devices;

/// <summary>
/// A device with work that comes from outside the guest. All device state belongs to the machine's thread; other
/// threads only fill a bounded queue and call <see cref="IMachineWaker.Wake"/>, and the machine then calls
/// <see cref="Service"/>.
/// </summary>
internal interface IServicedDevice
{
    /// <summary>Takes what has arrived. Called on the machine's thread between two instructions, never while
    /// paused.</summary>
    void Service();
}
