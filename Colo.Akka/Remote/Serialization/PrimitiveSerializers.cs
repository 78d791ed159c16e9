using System.Buffers.Binary;
using System.Runtime.Serialization;
using System.Text;
using Akka.Actor;
using Akka.Serialization;

namespace Akka.Remote.Serialization;

/// <summary>Strings as UTF-8, numbers in little endian.</summary>
public sealed class PrimitiveSerializers : SerializerWithStringManifest
{
    private const string StringManifest = "S";
    private const string Int32Manifest = "I";
    private const string Int64Manifest = "L";
    private const string BooleanManifest = "B";
    private const string DoubleManifest = "D";

    public PrimitiveSerializers(ExtendedActorSystem system)
        : base(system)
    {
    }

    public override int Identifier => 17;

    public override byte[] ToBinary(object obj)
    {
        switch (obj)
        {
            case string text:
                return Encoding.UTF8.GetBytes(text);
            case int number:
                var four = new byte[4];
                BinaryPrimitives.WriteInt32LittleEndian(four, number);
                return four;
            case long number:
                var eight = new byte[8];
                BinaryPrimitives.WriteInt64LittleEndian(eight, number);
                return eight;
            case double number:
                var real = new byte[8];
                BinaryPrimitives.WriteDoubleLittleEndian(real, number);
                return real;
            case bool flag:
                return [flag ? (byte)1 : (byte)0];
            default:
                throw new ArgumentException($"Cannot serialize object of type [{obj?.GetType()}]; expected string, int, long, double or bool.");
        }
    }

    public override object FromBinary(byte[] bytes, string manifest)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        return (manifest, bytes.Length) switch
        {
            (StringManifest, _) => Encoding.UTF8.GetString(bytes),
            (Int32Manifest, 4) => BinaryPrimitives.ReadInt32LittleEndian(bytes),
            (Int64Manifest, 8) => BinaryPrimitives.ReadInt64LittleEndian(bytes),
            (DoubleManifest, 8) => BinaryPrimitives.ReadDoubleLittleEndian(bytes),
            (BooleanManifest, 1) => bytes[0] != 0,
            _ => throw new SerializationException($"{bytes.Length} bytes with the manifest '{manifest}' are no primitive value."),
        };
    }

    public override string Manifest(object o) => o switch
    {
        string => StringManifest,
        int => Int32Manifest,
        long => Int64Manifest,
        double => DoubleManifest,
        bool => BooleanManifest,
        _ => throw new ArgumentException($"Cannot serialize object of type [{o?.GetType()}]; expected string, int, long, double or bool."),
    };
}
