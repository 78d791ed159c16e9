using System.Runtime.InteropServices;

namespace Colo.Vmm.Links;

/// <summary>
/// A descriptor of the system that is closed once, and not while a call uses it. A bare number would be somebody
/// else's file by the time that a late call or a second close arrives.
/// </summary>
internal sealed partial class Descriptor : SafeHandle
{
    private const int Invalid = -1;

    public Descriptor()
        : base(Invalid, ownsHandle: true)
    {
    }

    public override bool IsInvalid => handle == Invalid;

    /// <summary>
    /// The number, which stays this file's until <see cref="Release"/>. No once it is closed, which is what a late
    /// call finds.
    /// </summary>
    public bool TryHold(out int number)
    {
        number = (int)handle;
        bool isHeld = false;
        try
        {
            if (!IsClosed)
            {
                DangerousAddRef(ref isHeld);
            }
        }
        catch (ObjectDisposedException)
        {
            // Closed since the question.
        }

        return isHeld;
    }

    /// <summary>Ends what <see cref="TryHold"/> began.</summary>
    public void Release() => DangerousRelease();

    protected override bool ReleaseHandle() => Close((int)handle) == 0;

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
