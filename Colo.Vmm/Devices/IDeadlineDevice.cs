namespace Colo.Vmm.Devices;

/// <summary>A device with a timer in guest time (ticks of 100 ns).</summary>
internal interface IDeadlineDevice
{
    /// <summary>The tick at which <see cref="Expire"/> has something to do; <see cref="ulong.MaxValue"/> when
    /// never.</summary>
    ulong NextDeadline { get; }

    /// <summary>Brings the device up to <paramref name="now"/>. Harmless when nothing is due.</summary>
    void Expire(ulong now);
}
