using System.Runtime.InteropServices;

namespace Colo.Actors.Links;

/// <summary>
/// Lets the calling thread run before ordinary ones, where the system permits it (root, or CAP_SYS_NICE): heartbeats
/// must not queue behind the guests' own work, nor behind the threads that forward frames. .NET's thread priorities do
/// nothing on Linux.
/// </summary>
internal static partial class UrgentThread
{
    private const int Fifo = 1;
    private const int ResetOnFork = 0x4000_0000;
    private const int Process = 0;
    private const int Nice = -15;

    /// <summary>
    /// False when the system permits none of it; everything works then too, later under load. The thread must only
    /// ever compute for moments: in the real-time class nothing takes the processor from it.
    /// </summary>
    public static bool Raise()
    {
        int priority = 2;
        return SetScheduler(0, Fifo | ResetOnFork, in priority) == 0
            || SetPriority(Process, 0, Nice) == 0; // 0: Linux takes the calling thread, not the process
    }

    [LibraryImport("libc", EntryPoint = "sched_setscheduler")]
    private static partial int SetScheduler(int thread, int policy, in int priority);

    [LibraryImport("libc", EntryPoint = "setpriority")]
    private static partial int SetPriority(int which, int who, int priority);
}
