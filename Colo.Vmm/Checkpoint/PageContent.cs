namespace Colo.Vmm.Checkpoint;

/// <summary>Questions about the bytes of a page.</summary>
internal static class PageContent
{
    public static bool IsZero(ReadOnlySpan<byte> page) => !page.ContainsAnyExcept((byte)0);
}
