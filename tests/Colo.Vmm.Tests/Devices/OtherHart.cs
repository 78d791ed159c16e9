using Colo.Vmm.Memory;

namespace Colo.Vmm.Tests.Devices;

/// <summary>
/// Another hart whose driver acts once at the worst moment: the device has used so many elements and found the queue
/// empty, and its request to be notified is about to be written.
/// </summary>
internal sealed class OtherHart : IRamClient
{
    private readonly MockDriver _driver;
    private readonly int _queue;
    private readonly int _used;
    private readonly Action _act;

    public OtherHart(MockDriver driver, int queue, int used, Action act)
    {
        _driver = driver;
        _queue = queue;
        _used = used;
        _act = act;
        driver.Ram.AddClient(this);
        Watch();
    }

    public bool HasActed { get; private set; }

    public void FlushWriteTlb()
    {
    }

    public void RevokeWrite(int pageIndex, IRamClient by)
    {
    }

    public void ServeOthers()
    {
    }

    /// <summary>The device writes to the used ring's page: an element, the index, or the request, in this
    /// order.</summary>
    public void CodePageWritten(int pageIndex)
    {
        if (_driver.CountUsed(_queue) < _used)
        {
            Watch();
        }
        else if (!HasActed)
        {
            HasActed = true;
            _act();
        }
    }

    private void Watch() =>
        _driver.Ram.MarkCodePage((int)((_driver.UsedRing(_queue) - _driver.Ram.BaseAddress) / GuestRam.PageSize), this);
}
