using System.Text;
using Akka.Actor;
using Akka.Configuration;
using Akka.Serialization;
using Akka.TestKit.Xunit2;

namespace Colo.Akka.Tests.Serialization;

public sealed class SerializationTests : TestKit
{
    private const string Settings =
        """
        akka.actor {
          serialize-messages = on
          serializers { plain = "Colo.Akka.Tests.Serialization.PlainSerializer, Colo.Akka.Tests" }
          serialization-bindings { "Colo.Akka.Tests.Serialization.IPlain, Colo.Akka.Tests" = plain }
          serialization-identifiers { "Colo.Akka.Tests.Serialization.PlainSerializer, Colo.Akka.Tests" = 4711 }
        }
        """;

    public SerializationTests()
        : base(ConfigurationFactory.ParseString(Settings))
    {
    }

    [Fact]
    public void The_closest_binding_decides()
    {
        Assert.IsType<PlainSerializer>(Sys.Serialization.FindSerializerFor(new PlainText("x")));
        Assert.Equal(4711, Sys.Serialization.FindSerializerForType(typeof(PlainText)).Identifier);
        Assert.Equal(4, Sys.Serialization.FindSerializerFor(new byte[1]).Identifier);
        Assert.Equal(1, Sys.Serialization.FindSerializerFor(new object()).Identifier);
        Assert.Equal(0, Sys.Serialization.FindSerializerFor(null!).Identifier);
    }

    [Fact]
    public void A_manifest_of_the_serializers_own_takes_the_place_of_a_type_name()
    {
        var message = new PlainText("hello");
        var serializer = Sys.Serialization.FindSerializerFor(message);
        var manifest = global::Akka.Serialization.Serialization.ManifestFor(serializer, message);
        Assert.Equal("T", manifest);
        Assert.Equal(message, Sys.Serialization.Deserialize(Sys.Serialization.Serialize(message), 4711, manifest));
    }

    [Fact]
    public void A_reference_travels_as_a_path_and_comes_back_as_the_same_actor()
    {
        var text = global::Akka.Serialization.Serialization.SerializedActorPath(TestActor);
        Assert.StartsWith("akka://test/system/", text, StringComparison.Ordinal);
        Assert.Equal(TestActor, ((ExtendedActorSystem)Sys).Provider.ResolveActorRef(text));
    }

    [Fact]
    public void With_serialize_messages_on_every_local_message_is_a_copy()
    {
        var echo = Sys.ActorOf(Props.Create(() => new Echo()));
        var sent = new Parcel("x", 3, TestActor, [1, 2]);
        echo.Tell(sent);
        var received = ExpectMsg<Parcel>(TimeSpan.FromSeconds(30));
        Assert.NotSame(sent, received);
        Assert.Equal((sent.Name, sent.Weight, sent.Owner), (received.Name, received.Weight, received.Owner));
        Assert.Equal(sent.Content, received.Content);
    }

    [Fact]
    public void With_serialize_creators_an_actor_is_made_only_from_what_can_be_serialized()
    {
        using var system = ActorSystem.Create(
            "creators", ConfigurationFactory.ParseString("akka { actor.serialize-creators = on, loglevel = OFF }"));
        system.ActorOf(Props.Create(() => new Made("a text", null)));
        system.ActorOf(Props.Create(() => new Made("a text", new Unserializable())).WithDeploy(Deploy.Local));
        Assert.ThrowsAny<Exception>(() => system.ActorOf(Props.Create(() => new Made("a text", new Unserializable()))));
    }

    private sealed class Unserializable
    {
        public string Text => throw new NotSupportedException("This cannot be read");
    }

    private sealed class Made(string text, object? more) : UntypedActor
    {
        protected override void OnReceive(object message) => Sender.Tell((text, more));
    }

    private sealed class Echo : UntypedActor
    {
        protected override void OnReceive(object message) => Sender.Tell(message);
    }

    private sealed record Parcel(string Name, int Weight, IActorRef Owner, int[] Content);
}

public interface IPlain;

public sealed record PlainText(string Text) : IPlain;

public sealed class PlainSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    public override string Manifest(object o) => "T";

    public override byte[] ToBinary(object obj) => Encoding.UTF8.GetBytes(((PlainText)obj).Text);

    public override object FromBinary(byte[] bytes, string manifest) => new PlainText(Encoding.UTF8.GetString(bytes));
}
