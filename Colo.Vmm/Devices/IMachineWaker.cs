namespace Colo.Vmm.Devices;

/// <summary>
/// How a thread outside the machine (network reader, console reader, disk completion) asks the machine's thread to look
/// at its devices soon. Any thread; never blocks; several calls before the machine looks count as one.
/// </summary>
internal interface IMachineWaker
{
    void Wake();
}
