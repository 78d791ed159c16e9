using Colo.Vmm.Net;
using Colo.Vmm.Qmp.Chardevs;

namespace Colo.Vmm.Qmp.Filters;

/// <summary>
/// What colo-compare is made of: three different character devices, the id of an iothread (which nothing is done with:
/// each device has a thread), bounds, and how often the ages of waiting frames are looked at.
/// </summary>
internal sealed record CompareSettings(
    string Id, SocketChardev PrimaryIn, SocketChardev SecondaryIn, SocketChardev Output, string IoThread)
{
    public bool HasVnetHeader { get; init; }

    public required ComparerOptions Options { get; init; }

    public required TimeSpan ScanCycle { get; init; }
}
