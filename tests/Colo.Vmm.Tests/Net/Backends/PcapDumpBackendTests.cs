using Colo.Vmm.Net.Backends;
using Colo.Vmm.Tests.Devices;

namespace Colo.Vmm.Tests.Net.Backends;

public sealed class PcapDumpBackendTests
{
    /// <summary>The threads are a hart's and a TAP's, which an exception would end.</summary>
    [Fact]
    public void A_full_disk_ends_the_record_and_not_the_traffic()
    {
        using var cable = new RecordingBackend();
        var said = new List<string>();
        var received = new List<byte[]>();
        var dump = new PcapDumpBackend("/dump.pcap", cable, TimeProvider.System, said.Add, new FullStream(200))
        {
            Received = frame => received.Add(frame.ToArray()),
        };
        byte[] frame = new byte[60];
        for (int i = 0; i < 5; i++)
        {
            dump.Send(frame);
            cable.Deliver(frame);
        }

        dump.Dispose();
        Assert.Equal(5, cable.Sent.Count);
        Assert.Equal(5, received.Count);
        Assert.Equal($"packets are no longer recorded in /dump.pcap: {FullStream.Text}", Assert.Single(said));
    }

    [Fact]
    public void A_disk_that_is_full_at_the_end_is_said_and_the_cable_ends()
    {
        var said = new List<string>();
        var file = new FullStream(1 << 20);
        var dump = new PcapDumpBackend("/dump.pcap", null, TimeProvider.System, said.Add, file);
        file.SetLength(2 << 20);
        dump.Dispose();
        Assert.Single(said);
    }
}
