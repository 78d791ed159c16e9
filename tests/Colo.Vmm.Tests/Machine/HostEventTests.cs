using Colo.Vmm.Machine;
using Microsoft.Win32.SafeHandles;

namespace Colo.Vmm.Tests.Machine;

/// <summary>The event that a hart sleeps on.</summary>
public sealed class HostEventTests
{
    [Fact]
    public void Once_disposed_it_touches_no_file_that_has_its_number_now()
    {
        HostEvent[] events = [.. Enumerable.Range(0, 16).Select(_ => new HostEvent())];
        foreach (HostEvent sleep in events)
        {
            sleep.Dispose();
        }

        // The system gives the lowest free number, so these have what the events had.
        string folder = Directory.CreateTempSubdirectory("colo-event-").FullName;
        SafeFileHandle[] files = [.. Enumerable.Range(0, 32).Select(i => File.OpenHandle(
            Path.Combine(folder, $"{i}"), FileMode.CreateNew, FileAccess.ReadWrite))];
        try
        {
            foreach (HostEvent sleep in events)
            {
                sleep.Set();
                sleep.Wait(TimeSpan.Zero);
                sleep.Dispose();
            }

            Assert.All(files, file => Assert.Equal(0, RandomAccess.GetLength(file)));
            Assert.All(files, file => RandomAccess.Write(file, "still mine"u8, 0));
        }
        finally
        {
            foreach (SafeFileHandle file in files)
            {
                file.Dispose();
            }

            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_set_event_ends_a_wait_once()
    {
        using HostEvent sleep = new();
        sleep.Set();
        sleep.Wait(null);

        sleep.Wait(TimeSpan.Zero);
    }
}
