using System.Security.Cryptography;
using Akka.Actor;

namespace Akka.Remote;

/// <summary>The number that tells this incarnation of a system from the ones before at the same address.</summary>
public sealed class AddressUid : IExtension
{
    internal AddressUid(int uid) => Uid = uid;

    public int Uid { get; }
}

/// <summary>Gives a system its <see cref="AddressUid"/>.</summary>
public sealed class AddressUidExtension : ExtensionIdProvider<AddressUid>
{
    /// <summary>The uid of a system; drawn at random when it is first asked for.</summary>
    public static int Uid(ActorSystem system) => system.WithExtension<AddressUid, AddressUidExtension>().Uid;

    public override AddressUid CreateExtension(ExtendedActorSystem system) =>
        new(Actor.Internal.RuntimeHooks.Of(system) is { } hooks
            ? unchecked((int)hooks.NextUid())
            : RandomNumberGenerator.GetInt32(int.MinValue, int.MaxValue));
}
