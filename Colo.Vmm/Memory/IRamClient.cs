namespace Colo.Vmm.Memory;

/// <summary>Who caches host addresses or decoded code of guest RAM: every hart. Called by <see
/// cref="GuestRam"/>.</summary>
internal interface IRamClient
{
    /// <summary>Forget every cached permission to write. Called only while the machine is paused.</summary>
    void FlushWriteTlb();

    /// <summary>
    /// Forget the permission to write one page, because a hart decodes code from it; called on that hart's thread. When
    /// the call returns, no store of this client to the page is under way.
    /// </summary>
    void RevokeWrite(int pageIndex, IRamClient by);

    /// <summary>Answers what other clients wait for. Called by the client itself while it waits.</summary>
    void ServeOthers();

    /// <summary>
    /// Bytes of a page that held code have changed, or are about to be changed by another hart or a device. Any
    /// thread. The client drops what it decoded from the page at its next block boundary at the latest.
    /// </summary>
    void CodePageWritten(int pageIndex);
}
