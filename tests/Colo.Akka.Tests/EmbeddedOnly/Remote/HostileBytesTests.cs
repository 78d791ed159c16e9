using System.Buffers;
using System.Buffers.Binary;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Event;
using Akka.Remote.Serialization.Proto;
using Akka.Remote.Transport;
using Google.Protobuf;
using Colo.Akka.Tests.Remote;

namespace Colo.Akka.Tests.EmbeddedOnly.Remote;

public class HostileBytesTests
{
    private static readonly TimeSpan Bound = RemoteSystems.HangBound;

    private static byte[] Preamble(ushort version = Framing.Version)
    {
        var bytes = new byte[] { (byte)'C', (byte)'O', (byte)'L', (byte)'O', 0, 0, 0, 0 };
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(4), version);
        return bytes;
    }

    private static byte[] Frame(FrameKind kind, IMessage body)
    {
        var output = new ArrayBufferWriter<byte>();
        Wire.Write(output, kind, body);
        return output.WrittenSpan.ToArray();
    }

    private static byte[] Greeting(Address to) =>
    [
        .. Preamble(),
        .. Frame(FrameKind.Hello, new Hello
        {
            From = new AddressData { Protocol = "akka.tcp", System = "evil", Host = "127.0.0.1", Port = 9 },
            Uid = 666,
            To = Wire.ToData(to),
        }),
    ];

    private static byte[] Message(string recipient, int serializer, string manifest, byte[] payload)
    {
        var output = new ArrayBufferWriter<byte>();
        EnvelopeWriter.Write(output, new WireName(0, recipient), default, serializer, new WireName(0, manifest), payload);
        return output.WrittenSpan.ToArray();
    }

    /// <summary>Sends bytes and waits until the other side has closed the connection.</summary>
    private static async Task SendAndWaitForTheEnd(Address to, byte[] bytes)
    {
        using var bound = new CancellationTokenSource(Bound);
        using var client = new TcpClient();
        await client.ConnectAsync(to.Host!, to.Port!.Value, bound.Token);
        var stream = client.GetStream();
        try
        {
            await stream.WriteAsync(bytes, bound.Token);
            var sink = new byte[4096];
            while (await stream.ReadAsync(sink, bound.Token) > 0)
            {
            }
        }
        catch (IOException)
        {
            // Reset: closed as well.
        }
    }

    public static TheoryData<string> Attacks =>
    [
        "http", "zeros", "version", "long frame", "negative frame", "unknown kind", "envelope first", "hello to another", "hello without address",
        "unknown serializer", "unknown manifest", "unbound type", "undefined id", "foreign recipient", "broken protobuf", "system kind", "second hello",
    ];

    private static byte[] Bytes(string attack, Address to)
    {
        var echo = $"{to}/user/echo";
        byte[] length = new byte[5];
        length[4] = (byte)FrameKind.Envelope;
        return attack switch
        {
            "http" => "GET / HTTP/1.1\r\n\r\n"u8.ToArray(),
            "zeros" => new byte[64],
            "version" => Preamble(version: 999),
            "long frame" => [.. Greeting(to), .. Length(int.MaxValue)],
            "negative frame" => [.. Greeting(to), .. Length(-1)],
            "unknown kind" => [.. Greeting(to), 1, 0, 0, 0, 200],
            "envelope first" => [.. Preamble(), .. Message(echo, 17, "S", [])],
            "hello to another" => Greeting(to.WithHost("10.9.8.7")),
            "hello without address" => [.. Preamble(), .. Frame(FrameKind.Hello, new Hello())],
            "unknown serializer" => [.. Greeting(to), .. Message(echo, 9999, "S", [1])],
            "unknown manifest" => [.. Greeting(to), .. Message(echo, 17, "no such", [1])],
            "unbound type" => [.. Greeting(to), .. Message(echo, 1, "System.Diagnostics.Process, System.Diagnostics.Process", "{}"u8.ToArray())],
            "undefined id" => [.. Greeting(to), 3, 0, 0, 0, (byte)FrameKind.Envelope, 8, 77],
            "foreign recipient" => [.. Greeting(to), .. Message("akka.tcp://x@1.2.3.4:5/user/echo", 17, "S", [])],
            "broken protobuf" => [.. Greeting(to), 4, 0, 0, 0, (byte)FrameKind.Envelope, 0x42, 0xFF, 0x7F],
            "system kind" => [.. Greeting(to), .. Frame(FrameKind.SystemEnvelope, new SystemEnvelope { Number = 1, Recipient = echo })],
            "second hello" => [.. Greeting(to), .. Greeting(to)[Framing.PreambleSize..]],
            _ => throw new ArgumentOutOfRangeException(nameof(attack), attack, "expected one of the attacks"),
        };

        byte[] Length(int value)
        {
            BinaryPrimitives.WriteInt32LittleEndian(length, value);
            return length;
        }
    }

    [Theory]
    [MemberData(nameof(Attacks))]
    public async Task The_connection_ends_with_one_warning_and_nothing_else_suffers(string attack)
    {
        await using var systems = new RemoteSystems();
        var target = systems.Create("target", "akka.loglevel = WARNING");
        var friend = systems.Create("friend");
        target.ActorOf(Props.Create(() => new Echo()), "echo");
        var echo = await RemoteSystems.Resolve(friend, target, "/user/echo");
        var warnings = new Inboxed(target);
        target.EventStream.Subscribe(warnings.Ref, typeof(Warning));
        await SendAndWaitForTheEnd(RemoteSystems.AddressOf(target), Bytes(attack, RemoteSystems.AddressOf(target)));
        var warning = await warnings.Next<Warning>();
        Assert.Contains("remoting", warning.LogSource, StringComparison.Ordinal);
        Assert.Equal("fine", await echo.Ask<string>("fine", Bound));
        warnings.Ref.Tell("end");
        Assert.Equal("end", await warnings.Next());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Mutated_conversations_never_hurt_the_system(int seed)
    {
        await using var systems = new RemoteSystems();
        var target = systems.Create("target");
        var friend = systems.Create("friend");
        target.ActorOf(Props.Create(() => new Echo()), "echo");
        var echo = await RemoteSystems.Resolve(friend, target, "/user/echo");
        var to = RemoteSystems.AddressOf(target);
        var random = new Random(seed);
        byte[] good =
        [
            .. Greeting(to),
            .. Message($"{to}/user/echo", 17, "S", "hello"u8.ToArray()),
            .. Message($"{to}/user/echo", 4, "", [1, 2, 3]),
            .. Frame(FrameKind.SystemEnvelope, new SystemEnvelope
            {
                Number = 1, Recipient = $"{to}/user/echo", Kind = SystemMessageKind.SystemWatch, Actor = "akka.tcp://evil@127.0.0.1:9/user/w",
            }),
            .. Frame(FrameKind.Goodbye, new Goodbye { Reason = GoodbyeReason.GoodbyeShutdown }),
        ];
        for (var round = 0; round < 150; round++)
        {
            var bytes = (byte[])good.Clone();
            for (var i = random.Next(1, 6); i > 0; i--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            using var client = new TcpClient();
            await client.ConnectAsync(to.Host!, to.Port!.Value);
            try
            {
                await client.GetStream().WriteAsync(bytes.AsMemory(0, random.Next(1, bytes.Length + 1)));
            }
            catch (IOException)
            {
                // Closed on us, which is right.
            }
        }

        Assert.Equal($"fine after seed {seed}", await echo.Ask<string>($"fine after seed {seed}", Bound));
    }

    [Fact]
    public void The_hand_written_envelope_is_the_protobuf_message()
    {
        var output = new ArrayBufferWriter<byte>();
        EnvelopeWriter.Write(output, new WireName(7, "akka://x/user/é"), new WireName(300, null), -5, new WireName(1, "M"), [9, 8]);
        var buffer = new ReadOnlySequence<byte>(output.WrittenMemory);
        Assert.True(Framing.TryReadFrame(ref buffer, 1000, out var kind, out var body));
        Assert.Equal(FrameKind.Envelope, kind);
        var parsed = global::Akka.Remote.Serialization.Proto.Envelope.Parser.ParseFrom(body);
        Assert.Equal((7u, "akka://x/user/é", 300u, "", -5), (parsed.RecipientId, parsed.Recipient, parsed.SenderId, parsed.Sender, parsed.SerializerId));
        Assert.Equal((1u, "M"), (parsed.ManifestId, parsed.Manifest));
        var fields = EnvelopeFields.Read(parsed.ToByteArray());
        Assert.Equal((7u, "akka://x/user/é", 300u, -5, "M"), (fields.RecipientId, fields.Recipient, fields.SenderId, fields.SerializerId, fields.Manifest));
        Assert.Equal([9, 8], fields.Payload.ToArray());
    }

    [Fact]
    public void Random_bytes_are_a_frame_or_a_format_error()
    {
        var random = new Random(5);
        for (var round = 0; round < 200_000; round++)
        {
            var bytes = new byte[random.Next(40)];
            random.NextBytes(bytes);
            try
            {
                EnvelopeFields.Read(bytes);
            }
            catch (WireFormatException)
            {
            }
        }
    }
}
