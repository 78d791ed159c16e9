namespace Colo.Vmm.Tests.Net;

/// <summary>A file on a disk that has room for so many bytes more, behind a buffer as a file has it: each flush and the
/// end try again what did not fit.</summary>
internal sealed class FullStream(int room) : MemoryStream
{
    public const string Text = "No space left on device";

    public override void Write(byte[] buffer, int offset, int count)
    {
        base.Write(buffer, offset, count);
        RequireRoom();
    }

    public override void Flush() => RequireRoom();

    protected override void Dispose(bool disposing)
    {
        if (CanRead)
        {
            RequireRoom();
        }

        base.Dispose(disposing);
    }

    private void RequireRoom()
    {
        if (Length > room)
        {
            throw new IOException(Text);
        }
    }
}
