using System.Runtime.InteropServices;

namespace Colo.Vmm.Links;

/// <summary>
/// How the host's kernel schedules threads of ours. A frame passes four threads on its way from the replica's card to
/// the LAN, each of which computes for microseconds, beside guests that compute for ever; if each of them waits for its
/// turn behind a guest, an answer takes tens of milliseconds on a busy host.
/// </summary>
internal static partial class HostThread
{
    private const int Fifo = 1;
    private const int ResetOnFork = 0x4000_0000;
    private const int AttributesSize = 48;
    private const nint SetAttributesX64 = 314;
    private const nint SetAttributesGeneric = 274;
    private const ulong ShortSliceNanoseconds = 100_000;

    /// <summary>
    /// The calling thread forwards and never computes for long: it goes before guests. With CAP_SYS_NICE in the lowest
    /// real-time class, else (Linux 6.12 and later) by asking for short slices, else not at all.
    /// </summary>
    public static void Hurry()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        int priority = 1;
        if (SetScheduler(0, Fifo | ResetOnFork, in priority) == 0)
        {
            return;
        }

        // struct sched_attr: u32 size, u32 policy (0: other), u64 flags, i32 nice, u32 priority, u64 runtime (the
        // slice), ...
        Span<byte> attributes = stackalloc byte[AttributesSize];
        attributes.Clear();
        MemoryMarshal.Write(attributes, (uint)AttributesSize);
        MemoryMarshal.Write(attributes[24..], ShortSliceNanoseconds);
        nint call = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? SetAttributesX64 : SetAttributesGeneric;
        _ = SystemCall(call, 0, in MemoryMarshal.GetReference(attributes), 0);
    }

    [LibraryImport("libc", EntryPoint = "sched_setscheduler")]
    private static partial int SetScheduler(int thread, int policy, in int priority);

    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial nint SystemCall(nint number, nint thread, in byte attributes, nint flags);
}
