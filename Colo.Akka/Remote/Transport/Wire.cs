using System.Buffers;
using Akka.Actor;
using Akka.Remote.Serialization.Proto;
using Google.Protobuf;

namespace Akka.Remote.Transport;

/// <summary>Frames whose body is generated protobuf: everything but the envelope.</summary>
internal static class Wire
{
    /// <exception cref="WireFormatException">The body is not such a message.</exception>
    internal static T Parse<T>(MessageParser<T> parser, in ReadOnlySequence<byte> body)
        where T : IMessage<T>
    {
        try
        {
            return parser.ParseFrom(body);
        }
        catch (InvalidProtocolBufferException error)
        {
            throw new WireFormatException($"a body that is no {typeof(T).Name}: {error.Message}");
        }
    }

    internal static void Write(IBufferWriter<byte> output, FrameKind kind, IMessage body)
    {
        var size = body.CalculateSize();
        var span = output.GetSpan(Framing.HeaderSize + size);
        Framing.WriteHeader(span, kind, size);
        body.WriteTo(span.Slice(Framing.HeaderSize, size));
        output.Advance(Framing.HeaderSize + size);
    }

    internal static void WriteHeartbeat(IBufferWriter<byte> output)
    {
        Framing.WriteHeader(output.GetSpan(Framing.HeaderSize), FrameKind.Heartbeat, 0);
        output.Advance(Framing.HeaderSize);
    }

    internal static AddressData ToData(Address address) => new()
    {
        Protocol = address.Protocol,
        System = address.System,
        Host = address.Host ?? "",
        Port = (uint)(address.Port ?? 0),
    };

    /// <exception cref="WireFormatException">Not an address that can be reached.</exception>
    internal static Address ToAddress(AddressData data)
    {
        if (data is null || data.Protocol.Length == 0 || data.System.Length == 0 || data.Host.Length == 0
            || data.Port is 0 or > ushort.MaxValue)
        {
            throw new WireFormatException($"the address '{data}'; expected protocol, system, host and port");
        }

        return new Address(data.Protocol, data.System, data.Host, (int)data.Port);
    }
}
