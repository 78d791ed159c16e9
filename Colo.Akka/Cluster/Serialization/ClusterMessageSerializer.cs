using System.Runtime.Serialization;
using System.Text;
using Akka.Actor;
using Akka.Cluster.Serialization.Proto;
using Akka.Serialization;
using Akka.Util;
using Google.Protobuf;

namespace Akka.Cluster.Serialization;

/// <summary>The messages between cluster nodes as protobuf; see Protos/Cluster.proto.</summary>
public sealed class ClusterMessageSerializer : SerializerWithStringManifest
{
    private const string InitJoinManifest = "IJ";
    private const string InitJoinAckManifest = "IJA";
    private const string InitJoinNackManifest = "IJN";
    private const string JoinManifest = "J";
    private const string WelcomeManifest = "W";
    private const string GossipManifest = "GE";
    private const string ExitingConfirmedManifest = "EC";
    private const string HeartbeatManifest = "HB";
    private const string HeartbeatRspManifest = "HBR";

    public ClusterMessageSerializer(ExtendedActorSystem system)
        : base(system)
    {
    }

    public override int Identifier => 5;

    public override byte[] ToBinary(object obj) => obj switch
    {
        Heartbeat beat => new BeatData { From = GossipCodec.Encode(beat.From), Number = beat.Number }.ToByteArray(),
        HeartbeatRsp answer => new BeatData { From = GossipCodec.Encode(answer.From), Number = answer.Number }.ToByteArray(),
        GossipEnvelope envelope => new GossipEnvelopeData
        {
            From = GossipCodec.Encode(envelope.From),
            To = GossipCodec.Encode(envelope.To),
            Gossip = GossipCodec.Encode(envelope.Gossip),
        }.ToByteArray(),
        Welcome welcome => new WelcomeData
        {
            From = GossipCodec.Encode(welcome.From),
            Gossip = GossipCodec.Encode(welcome.Gossip),
        }.ToByteArray(),
        JoinRequest join => new JoinData
        {
            Node = GossipCodec.Encode(join.Node),
            Roles = { join.Roles.Order(StringComparer.Ordinal) },
            AppVersion = join.AppVersion.Version,
        }.ToByteArray(),
        InitJoin => [],
        InitJoinAck ack => Encoding.UTF8.GetBytes(ack.Address.ToString()),
        InitJoinNack nack => Encoding.UTF8.GetBytes(nack.Address.ToString()),
        ExitingConfirmed confirmed => GossipCodec.Encode(confirmed.Node).ToByteArray(),
        _ => throw new ArgumentException($"Cannot serialize object of type [{obj?.GetType()}]"),
    };

    public override object FromBinary(byte[] bytes, string manifest)
    {
        switch (manifest)
        {
            case HeartbeatManifest:
                var beat = BeatData.Parser.ParseFrom(bytes);
                return new Heartbeat(GossipCodec.Decode(beat.From), beat.Number);
            case HeartbeatRspManifest:
                var answer = BeatData.Parser.ParseFrom(bytes);
                return new HeartbeatRsp(GossipCodec.Decode(answer.From), answer.Number);
            case GossipManifest:
                var envelope = GossipEnvelopeData.Parser.ParseFrom(bytes);
                return new GossipEnvelope(
                    GossipCodec.Decode(envelope.From), GossipCodec.Decode(envelope.To), GossipCodec.Decode(Present(envelope.Gossip)));
            case WelcomeManifest:
                var welcome = WelcomeData.Parser.ParseFrom(bytes);
                return new Welcome(GossipCodec.Decode(welcome.From), GossipCodec.Decode(Present(welcome.Gossip)));
            case JoinManifest:
                var join = JoinData.Parser.ParseFrom(bytes);
                return new JoinRequest(GossipCodec.Decode(join.Node), [.. join.Roles], AppVersion.Create(join.AppVersion));
            case InitJoinManifest:
                return new InitJoin();
            case InitJoinAckManifest:
                return new InitJoinAck(Address.Parse(Encoding.UTF8.GetString(bytes)));
            case InitJoinNackManifest:
                return new InitJoinNack(Address.Parse(Encoding.UTF8.GetString(bytes)));
            case ExitingConfirmedManifest:
                return new ExitingConfirmed(GossipCodec.Decode(NodeData.Parser.ParseFrom(bytes)));
            default:
                throw new SerializationException($"Unknown manifest '{manifest}'.");
        }
    }

    public override string Manifest(object o) => o switch
    {
        Heartbeat => HeartbeatManifest,
        HeartbeatRsp => HeartbeatRspManifest,
        GossipEnvelope => GossipManifest,
        Welcome => WelcomeManifest,
        JoinRequest => JoinManifest,
        InitJoin => InitJoinManifest,
        InitJoinAck => InitJoinAckManifest,
        InitJoinNack => InitJoinNackManifest,
        ExitingConfirmed => ExitingConfirmedManifest,
        _ => throw new ArgumentException($"Cannot serialize object of type [{o?.GetType()}]"),
    };

    private static GossipData Present(GossipData gossip) => gossip ?? throw new FormatException("The gossip is missing.");
}
