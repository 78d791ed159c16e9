using System.Runtime.InteropServices;
using Colo.Vmm.Links;

namespace Colo.Vmm.Machine;

/// <summary>
/// An event that one thread waits for with a deadline of microseconds; the waits of the framework round up to
/// milliseconds, which would be felt in every short sleep of the guest. Linux eventfd and ppoll.
/// </summary>
internal sealed partial class HostEvent : IDisposable
{
    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;
    private const short PollIn = 1;
    private readonly Descriptor _descriptor;

    public HostEvent()
    {
        _descriptor = CreateEvent(0, CloseOnExec | NonBlocking);
        if (_descriptor.IsInvalid)
        {
            throw new InvalidOperationException($"eventfd failed with error {Marshal.GetLastPInvokeError()}");
        }
    }

    /// <summary>Any thread; nothing happens once it is disposed, as a guest's last interrupt may find it.</summary>
    public void Set()
    {
        if (_descriptor.TryHold(out int number))
        {
            ulong one = 1;
            _ = Write(number, in one, sizeof(ulong));
            _descriptor.Release();
        }
    }

    /// <summary>Returns when the event was set, or after the given time; null waits for ever. At once when it is
    /// disposed.</summary>
    public void Wait(TimeSpan? limit)
    {
        if (!_descriptor.TryHold(out int number))
        {
            return;
        }

        var poll = new PollDescriptor { Descriptor = number, Events = PollIn };
        TimeSpec time = default;
        if (limit is { } span)
        {
            time = new TimeSpec(span.Ticks / TimeSpan.TicksPerSecond, span.Ticks % TimeSpan.TicksPerSecond * 100);
        }

        // An interrupted wait is a short wait; the caller looks again anyway.
        _ = limit is null ? PollForEver(ref poll, 1, 0, 0) : Poll(ref poll, 1, in time, 0);
        _ = Read(number, out _, sizeof(ulong));
        _descriptor.Release();
    }

    public void Dispose() => _descriptor.Dispose();

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    private static partial Descriptor CreateEvent(uint initial, int flags);

    [LibraryImport("libc", EntryPoint = "write")]
    private static partial nint Write(int descriptor, in ulong value, nint count);

    [LibraryImport("libc", EntryPoint = "read")]
    private static partial nint Read(int descriptor, out ulong value, nint count);

    [LibraryImport("libc", EntryPoint = "ppoll")]
    private static partial int Poll(ref PollDescriptor descriptors, nuint count, in TimeSpec limit, nint signals);

    [LibraryImport("libc", EntryPoint = "ppoll")]
    private static partial int PollForEver(ref PollDescriptor descriptors, nuint count, nint limit, nint signals);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct TimeSpec(long Seconds, long Nanoseconds);
}
