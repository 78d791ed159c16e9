using System.Buffers.Binary;

namespace Colo.Vmm.Tests.Net;

/// <summary>Reads what PcapWriter writes: classic pcap, nanoseconds, little endian.</summary>
internal static class PcapFile
{
    private const uint NanosecondMagic = 0xA1B23C4D;
    private const int HeaderBytes = 24;
    private const int RecordHeaderBytes = 16;

    public static IEnumerable<(TimeSpan Time, byte[] Frame)> Read(string path)
    {
        var bytes = File.ReadAllBytes(path);
        Assert.Equal(NanosecondMagic, BinaryPrimitives.ReadUInt32LittleEndian(bytes));
        for (var at = HeaderBytes; at < bytes.Length;)
        {
            var seconds = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at));
            var nanoseconds = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + 4));
            var length = (int)BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + 8));
            var time = new TimeSpan((seconds * TimeSpan.TicksPerSecond) + (nanoseconds / TimeSpan.NanosecondsPerTick));
            yield return (time, bytes.AsSpan(at + RecordHeaderBytes, length).ToArray());
            at += RecordHeaderBytes + length;
        }
    }
}
