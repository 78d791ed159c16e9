using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Remote.Serialization.Proto;
using Akka.Serialization;
using Google.Protobuf;

namespace Akka.Remote.Serialization;

/// <summary>The engine's own messages that may cross nodes. Exceptions come back as one of a few known types, never as
/// one the peer names.</summary>
public sealed class MiscMessageSerializer : SerializerWithStringManifest
{
    private const string IdentifyManifest = "ID";
    private const string ActorIdentityManifest = "AID";
    private const string ActorRefManifest = "AR";
    private const string PoisonPillManifest = "PP";
    private const string KillManifest = "K";
    private const string AddressManifest = "AD";
    private const string HeartbeatManifest = "RWHB";
    private const string HeartbeatRspManifest = "RWHR";
    private const string SuccessManifest = "SS";
    private const string FailureManifest = "SF";

    // The few that programs of ours tell apart. A type name from the wire is only ever compared with these.
    private static readonly Dictionary<string, Func<string, Exception>> KnownExceptions = new(StringComparer.Ordinal)
    {
        [typeof(Exception).FullName] = text => new Exception(text),
        [typeof(ArgumentException).FullName] = text => new ArgumentException(text),
        [typeof(InvalidOperationException).FullName] = text => new InvalidOperationException(text),
        [typeof(NotSupportedException).FullName] = text => new NotSupportedException(text),
        [typeof(TimeoutException).FullName] = text => new TimeoutException(text),
        [typeof(TaskCanceledException).FullName] = text => new TaskCanceledException(text),
        [typeof(OperationCanceledException).FullName] = text => new OperationCanceledException(text),
        [typeof(FormatException).FullName] = text => new FormatException(text),
        [typeof(IOException).FullName] = text => new IOException(text),
        [typeof(AskTimeoutException).FullName] = text => new AskTimeoutException(text),
    };

    private readonly ExtendedActorSystem _system;

    public MiscMessageSerializer(ExtendedActorSystem system)
        : base(system) => _system = system;

    public override int Identifier => 16;

    public override byte[] ToBinary(object obj) => obj switch
    {
        Identify identify => new IdentifyData { MessageId = Wrap(identify.MessageId) }.ToByteArray(),
        ActorIdentity identity => new ActorIdentityData
        {
            MessageId = Wrap(identity.MessageId),
            Subject = identity.Subject is null ? "" : Akka.Serialization.Serialization.SerializedActorPath(identity.Subject),
        }.ToByteArray(),
        IActorRef actor => System.Text.Encoding.UTF8.GetBytes(Akka.Serialization.Serialization.SerializedActorPath(actor)),
        PoisonPill or Kill or RemoteWatcher.Heartbeat => [],
        RemoteWatcher.HeartbeatRsp answer => BitConverter.GetBytes(answer.AddressUid),
        Address address => System.Text.Encoding.UTF8.GetBytes(address.ToString()),
        Status.Success success => Wrap(success.Status).ToByteArray(),
        Status.Failure failure => new FailureData
        {
            TypeName = (failure.Cause as RemoteFailureException)?.RemoteType ?? failure.Cause?.GetType().FullName ?? "",
            Text = (failure.Cause as RemoteFailureException)?.RemoteMessage ?? failure.Cause?.Message ?? "",
            State = Wrap(failure.State),
        }.ToByteArray(),
        _ => throw new ArgumentException($"Cannot serialize object of type [{obj?.GetType()}]"),
    };

    public override object FromBinary(byte[] bytes, string manifest)
    {
        switch (manifest)
        {
            case IdentifyManifest:
                return new Identify(Unwrap(IdentifyData.Parser.ParseFrom(bytes).MessageId));
            case ActorIdentityManifest:
                var identity = ActorIdentityData.Parser.ParseFrom(bytes);
                return new ActorIdentity(
                    Unwrap(identity.MessageId), identity.Subject.Length == 0 ? null : _system.Provider.ResolveActorRef(identity.Subject));
            case ActorRefManifest:
                return _system.Provider.ResolveActorRef(Text(bytes));
            case PoisonPillManifest:
                return PoisonPill.Instance;
            case KillManifest:
                return Kill.Instance;
            case AddressManifest:
                return Address.Parse(Text(bytes));
            case HeartbeatManifest:
                return RemoteWatcher.Heartbeat.Instance;
            case HeartbeatRspManifest:
                return new RemoteWatcher.HeartbeatRsp(BitConverter.ToInt32(bytes));
            case SuccessManifest:
                return new Status.Success(Unwrap(Payload.Parser.ParseFrom(bytes)));
            case FailureManifest:
                var failure = FailureData.Parser.ParseFrom(bytes);
                return new Status.Failure(ExceptionOf(failure), Unwrap(failure.State));
            default:
                throw new SerializationException($"Unknown manifest '{manifest}'.");
        }
    }

    public override string Manifest(object o) => o switch
    {
        Identify => IdentifyManifest,
        ActorIdentity => ActorIdentityManifest,
        IActorRef => ActorRefManifest,
        PoisonPill => PoisonPillManifest,
        Kill => KillManifest,
        Address => AddressManifest,
        RemoteWatcher.Heartbeat => HeartbeatManifest,
        RemoteWatcher.HeartbeatRsp => HeartbeatRspManifest,
        Status.Success => SuccessManifest,
        Status.Failure => FailureManifest,
        _ => throw new ArgumentException($"Cannot serialize object of type [{o?.GetType()}]"),
    };

    private static Exception ExceptionOf(FailureData failure)
    {
        if (failure.TypeName.Length == 0)
        {
            return null;
        }

        return KnownExceptions.TryGetValue(failure.TypeName, out var make)
            ? make(failure.Text)
            : new RemoteFailureException(failure.TypeName, failure.Text);
    }

    private static string Text(byte[] bytes) => System.Text.Encoding.UTF8.GetString(bytes);

    private Payload Wrap(object message) => NestedPayload.Wrap(_system, message);

    private object Unwrap(Payload payload) => NestedPayload.Unwrap(_system, payload);
}
