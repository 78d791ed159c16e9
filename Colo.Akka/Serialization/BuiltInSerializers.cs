using Akka.Actor;

namespace Akka.Serialization;

/// <summary>Byte arrays as they are.</summary>
public class ByteArraySerializer : Serializer
{
    public ByteArraySerializer(ExtendedActorSystem system)
        : base(system)
    {
    }

    public override int Identifier => 4;

    public override bool IncludeManifest => false;

    /// <exception cref="NotSupportedException">Not a byte array.</exception>
    public override byte[] ToBinary(object obj) => obj switch
    {
        null => null,
        byte[] bytes => bytes,
        _ => throw new NotSupportedException($"The object to convert is a {obj.GetType()}, expected a byte array."),
    };

    public override object FromBinary(byte[] bytes, Type type) => bytes;
}

/// <summary>For the message null.</summary>
public class NullSerializer : Serializer
{
    private static readonly byte[] NullBytes = [];

    public NullSerializer(ExtendedActorSystem system)
        : base(system)
    {
    }

    public override int Identifier => 0;

    public override bool IncludeManifest => false;

    public override byte[] ToBinary(object obj) => NullBytes;

    public override object FromBinary(byte[] bytes, Type type) => null;
}
