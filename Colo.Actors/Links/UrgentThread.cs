using System.Runtime.InteropServices;

namespace Colo.Actors.Links;

/// <summary>
/// Lets the calling thread run before ordinary ones, where the system permits it (root, or CAP_SYS_NICE): heartbeats
/// must not queue behind the guests' own work. .NET's thread priorities do nothing on Linux.
/// </summary>
internal static partial class UrgentThread
{
    private const int Process = 0;
    private const int Nice = -15;

    /// <summary>False when the system does not permit it; everything works then too, later under load.</summary>
    public static bool Raise() =>
        SetPriority(Process, 0, Nice) == 0; // 0: Linux takes the calling thread, not the process

    [LibraryImport("libc", EntryPoint = "setpriority")]
    private static partial int SetPriority(int which, int who, int priority);
}
