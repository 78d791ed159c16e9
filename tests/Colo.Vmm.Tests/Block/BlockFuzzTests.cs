using System.Buffers.Binary;
using System.Text;
using Colo.Vmm.Block;
using Colo.Vmm.Block.Nbd;
using Colo.Vmm.Checksums;
using Colo.Vmm.Tests.Checkpoint;

namespace Colo.Vmm.Tests.Block;

/// <summary>Peers that lie: nothing may throw out of a connection, hang it, or take memory by a length on the
/// wire.</summary>
[Collection(nameof(RunsAlone))]
public sealed class BlockFuzzTests
{
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);

    [Fact]
    public void An_NBD_server_survives_damaged_sessions()
    {
        using var device = new MemoryDevice(1 << 20);
        using var server = new NbdServer();
        server.Add(new NbdExport("disk", device));
        var before = GC.GetTotalAllocatedBytes();
        for (var seed = 1; seed <= 300; seed++)
        {
            var random = new Random(seed);
            var session = Damage(random, NbdSession(random));
            using var stream = new ScriptedStream(session);
            Run(() => server.Serve(stream), seed);
        }

        Assert.Equal(0, server.ConnectionCount);
        var allocated = GC.GetTotalAllocatedBytes() - before;
        Assert.True(allocated < 2L << 30, $"{allocated} bytes were allocated");
    }

    [Fact]
    public void An_NBD_client_survives_damaged_servers()
    {
        for (var seed = 1; seed <= 200; seed++)
        {
            var random = new Random(seed);
            var answers = Damage(random, NbdAnswers(random));
            Run(() => UseClient(answers), seed);
        }
    }

    [Fact]
    public void A_disk_link_receiver_survives_damaged_links_and_keeps_the_guests_view()
    {
        for (var seed = 1; seed <= 300; seed++)
        {
            var random = new Random(seed);
            using var buffer = new DiskBuffer(new LossyFile(seed, new byte[1 << 20]), new LossyFile(seed), new DiskBufferOptions());
            Assert.Equal(BlockStatus.Ok, buffer.Start(1, 1));
            using var stream = new ScriptedStream(Damage(random, LinkSession(random)));
            var receiver = new DiskLinkReceiver(stream, buffer, term: 1);
            Run(receiver.Run, seed);
            Assert.NotEqual("", receiver.Failure);
            var seen = new byte[1 << 20];
            Assert.Equal(BlockStatus.Ok, buffer.Read(0, seen));
            Assert.Equal(-1, seen.AsSpan().IndexOfAnyExcept((byte)0));
        }
    }

    [Fact]
    public void A_disk_link_sender_survives_damaged_answers()
    {
        for (var seed = 1; seed <= 200; seed++)
        {
            var random = new Random(seed);
            var answers = new byte[random.Next(1, 6) * DiskLinkFrame.Size];
            for (var at = 0; at < answers.Length; at += DiskLinkFrame.Size)
            {
                var type = (DiskLinkType)random.Next(1, 12);
                new DiskLinkFrame(type, 1, 0, random.Next(300), random.Next(600), 65536, random.Next(3) * 32, 0).Format(answers.AsSpan(at));
            }

            using var stream = new ScriptedStream(Damage(random, answers));
            var lost = new ManualResetEventSlim();
            using var link = new DiskLinkSender(stream, new DiskLinkOptions(), 1, 0, 1 << 20) { Lost = _ => lost.Set() };
            Run(() => Assert.True(link.IsLost || lost.Wait(Hang)), seed);
        }
    }

    [Fact]
    public void Damaged_files_are_refused_and_never_thrown_about()
    {
        for (var seed = 1; seed <= 300; seed++)
        {
            var random = new Random(seed);
            var file = new LossyFile(seed);
            var disk = new LossyFile(seed + 1, new byte[1 << 20]);
            using (var buffer = new DiskBuffer(disk, file, new DiskBufferOptions { CapacityBytes = 4 << 20 }))
            {
                Assert.Equal(BlockStatus.Ok, buffer.Start(1, 1));
                Assert.Equal(BlockStatus.Ok, buffer.PrimaryWrite(1, 0, Filled(200 * 1024)));
                Assert.Equal(BlockStatus.Ok, buffer.Write(65536, Filled(4096)));
                Assert.Equal(BlockStatus.Ok, buffer.Failover(1));
                Assert.Equal(BlockStatus.Ok, buffer.MergeStep(1, out _));
            }

            var content = Damage(random, file.Snapshot());
            var damaged = new LossyFile(seed, content);
            var status = DiskBufferRecovery.CompleteMerge(disk, damaged);
            Assert.True(Enum.IsDefined(status));
            using var bitmap = DirtyBitmap.Open(new LossyFile(seed, content), 1 << 20);
            Assert.Equal(1 << 20, bitmap.DirtyBytes);
        }
    }

    private static byte[] Filled(int length)
    {
        var data = new byte[length];
        data.AsSpan().Fill(7);
        return data;
    }

    private static void Run(Action action, int seed)
    {
        var task = Task.Run(action);
        try
        {
            Assert.True(task.Wait(Hang), $"seed {seed} hangs");
        }
        catch (AggregateException error)
        {
            throw new InvalidOperationException($"seed {seed}: {error.InnerException!.Message}", error.InnerException);
        }
    }

    private static void UseClient(byte[] answers)
    {
        NbdClient client;
        try
        {
            client = NbdClient.Open(() => new ScriptedStream(answers), new NbdClientOptions());
        }
        catch (IOException)
        {
            return;
        }

        using (client)
        {
            if (client.SizeBytes < 8192)
            {
                return;
            }

            var read = new byte[4096];
            _ = client.ReadAsync(0, read).AsTask().Wait(Hang);
            _ = client.WriteAsync(0, read).AsTask().Wait(Hang);
            _ = client.FlushAsync().AsTask().Wait(Hang);
        }
    }

    /// <summary>Flips, cuts, repeats or invents a few bytes; sometimes leaves everything as it is.</summary>
    private static byte[] Damage(Random random, byte[] data)
    {
        data = (byte[])data.Clone();
        for (var changes = random.Next(5); changes > 0 && data.Length > 0; changes--)
        {
            var at = random.Next(data.Length);
            switch (random.Next(4))
            {
                case 0:
                    data[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    data = data[..at];
                    break;
                case 2:
                    random.NextBytes(data.AsSpan(at, Math.Min(8, data.Length - at)));
                    break;
                default:
                    data = [.. data[..at], .. data[at..], .. data[at..]];
                    break;
            }
        }

        return data;
    }

    private static byte[] NbdSession(Random random)
    {
        var data = new List<byte>();
        Number(data, 3, 4);
        for (var options = random.Next(6); options > 0; options--)
        {
            var name = "disk"u8.ToArray();
            var body = new List<byte>();
            switch (random.Next(4))
            {
                case 0:
                    Option(data, 8, []);
                    break;
                case 1:
                    Number(body, 4, 4);
                    body.AddRange(name);
                    Number(body, 1, 4);
                    Number(body, 15, 4);
                    body.AddRange(Encoding.ASCII.GetBytes("base:allocation"));
                    Option(data, 10, body);
                    break;
                case 2:
                    Option(data, (uint)random.Next(15), [.. new byte[random.Next(20)]]);
                    break;
                default:
                    Option(data, 3, []);
                    break;
            }
        }

        var go = new List<byte>();
        Number(go, 4, 4);
        go.AddRange("disk"u8.ToArray());
        Number(go, 1, 2);
        Number(go, 3, 2);
        Option(data, 7, go);
        for (var requests = random.Next(10); requests > 0; requests--)
        {
            var type = random.Next(10);
            var length = random.Next(40) * 512;
            Number(data, 0x25609513, 4);
            Number(data, (ulong)(random.Next(4) == 0 ? random.Next(20) : 0), 2);
            Number(data, (ulong)type, 2);
            Number(data, (ulong)requests, 8);
            Number(data, (ulong)(random.Next(2000) * 512), 8);
            Number(data, random.Next(6) == 0 ? (uint)random.Next() : (uint)length, 4);
            if (type == 1)
            {
                data.AddRange(new byte[length]);
            }
        }

        return [.. data];
    }

    private static byte[] NbdAnswers(Random random)
    {
        var data = new List<byte>();
        data.AddRange("NBDMAGICIHAVEOPT"u8.ToArray());
        Number(data, 3, 2);
        OptionReply(data, 8, 1, []);
        var info = new List<byte>();
        Number(info, 0, 2);
        Number(info, 1 << 20, 8);
        Number(info, 0x5ed, 2);
        OptionReply(data, 7, 3, info);
        OptionReply(data, 7, 1, []);
        for (var replies = random.Next(5); replies > 0; replies--)
        {
            var cookie = (ulong)(random.Next(3) + (random.Next(3) << 16));
            if (random.Next(2) == 0)
            {
                Number(data, 0x67446698, 4);
                Number(data, (ulong)random.Next(30), 4);
                Number(data, cookie, 8);
                continue;
            }

            var length = random.Next(4) == 0 ? (uint)random.Next() : 4104u;
            Number(data, 0x668e33ef, 4);
            Number(data, (ulong)random.Next(2), 2);
            Number(data, new ulong[] { 0, 1, 2, 5, 0x8001, 0x8002, 77 }[random.Next(7)], 2);
            Number(data, cookie, 8);
            Number(data, length, 4);
            Number(data, (ulong)random.Next(2) * 512, 8);
            data.AddRange(new byte[4096]);
        }

        return [.. data];
    }

    private static byte[] LinkSession(Random random)
    {
        var data = new List<byte>();
        long sequence = 0;
        Frame(DiskLinkType.Hello, 1, 0, 1 << 20, []);
        for (var frames = random.Next(12); frames > 0; frames--)
        {
            var payload = new byte[random.Next(1, 30) * 512];
            random.NextBytes(payload);
            var offset = random.Next(2100) * 512L;
            switch (random.Next(6))
            {
                case 0:
                    Frame(DiskLinkType.WriteZeroes, 1, offset, random.Next(4) == 0 ? long.MaxValue - 511 : 4096, []);
                    break;
                case 1:
                    Frame((DiskLinkType)random.Next(256), 1, offset, payload.Length, payload);
                    break;
                case 2:
                    Frame(DiskLinkType.Flush, 1, 0, 0, []);
                    break;
                default:
                    Frame(DiskLinkType.Write, (ulong)(random.Next(10) == 0 ? 2 : 1), offset, payload.Length, payload);
                    break;
            }
        }

        return [.. data];

        void Frame(DiskLinkType type, ulong epoch, long offset, long length, byte[] payload)
        {
            sequence += DiskLinkFrame.Size + payload.Length;
            var header = new byte[DiskLinkFrame.Size];
            new DiskLinkFrame(type, 1, epoch, sequence, offset, length, payload.Length, Crc32C.Compute(payload)).Format(header);
            data.AddRange(header);
            data.AddRange(payload);
        }
    }

    private static void Option(List<byte> data, uint option, List<byte> body)
    {
        data.AddRange("IHAVEOPT"u8.ToArray());
        Number(data, option, 4);
        Number(data, (ulong)body.Count, 4);
        data.AddRange(body);
    }

    private static void OptionReply(List<byte> data, uint option, uint type, List<byte> body)
    {
        Number(data, 0x0003e889045565a9, 8);
        Number(data, option, 4);
        Number(data, type, 4);
        Number(data, (ulong)body.Count, 4);
        data.AddRange(body);
    }

    private static void Number(List<byte> data, ulong value, int bytes)
    {
        Span<byte> buffer = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(buffer, value);
        data.AddRange(buffer[(8 - bytes)..]);
    }

    /// <summary>Says what was written down, then ends; swallows what it is told.</summary>
    private sealed class ScriptedStream(byte[] script) : Stream
    {
        private int _at;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => script.Length;

        public override long Position { get => _at; set => throw new NotSupportedException(); }

        public override int Read(Span<byte> buffer)
        {
            var count = Math.Min(buffer.Length, script.Length - _at);
            script.AsSpan(_at, count).CopyTo(buffer);
            _at += count;
            return count;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
        }

        public override void Write(byte[] buffer, int offset, int count)
        {
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
