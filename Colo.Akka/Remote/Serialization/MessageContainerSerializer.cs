using Akka.Actor;
using Akka.Remote.Serialization.Proto;
using Akka.Serialization;
using Google.Protobuf;

namespace Akka.Remote.Serialization;

/// <summary>Messages on their way through an <see cref="ActorSelection"/>.</summary>
public sealed class MessageContainerSerializer : SerializerWithStringManifest
{
    private const string SelectionManifest = "A";

    private readonly ExtendedActorSystem _system;

    public MessageContainerSerializer(ExtendedActorSystem system)
        : base(system) => _system = system;

    public override int Identifier => 6;

    public override byte[] ToBinary(object obj)
    {
        if (obj is not ActorSelectionMessage selection)
        {
            throw new ArgumentException($"Cannot serialize object of type [{obj?.GetType()}]; expected ActorSelectionMessage.");
        }

        var data = new SelectionData
        {
            Message = NestedPayload.Wrap(_system, selection.Message),
            WildcardFanOut = selection.WildCardFanOut,
        };
        foreach (var element in selection.Elements)
        {
            data.Elements.Add(element switch
            {
                SelectChildName child => new SelectionElement { Name = child.Name },
                SelectChildPattern pattern => new SelectionElement { Pattern = pattern.PatternStr },
                SelectParent => new SelectionElement { Parent = true },
                _ => throw new ArgumentException($"Unknown selection element [{element}]"),
            });
        }

        return data.ToByteArray();
    }

    public override object FromBinary(byte[] bytes, string manifest)
    {
        if (manifest != SelectionManifest)
        {
            throw new System.Runtime.Serialization.SerializationException($"Unknown manifest '{manifest}'; expected '{SelectionManifest}'.");
        }

        var data = SelectionData.Parser.ParseFrom(bytes);
        var elements = data.Elements.Select(Decode).ToArray();
        return new ActorSelectionMessage(NestedPayload.Unwrap(_system, data.Message), elements, data.WildcardFanOut);
    }

    public override string Manifest(object o) => SelectionManifest;

    private static SelectionPathElement Decode(SelectionElement element)
    {
        if (element.Parent)
        {
            return new SelectParent();
        }

        return element.Pattern.Length > 0 ? new SelectChildPattern(element.Pattern) : new SelectChildName(element.Name);
    }
}
