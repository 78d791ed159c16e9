using Akka.Event;

namespace Akka.Actor.Internal;

internal static class ProviderExtensions
{
    public static ActorSystemImpl SystemOf(this IActorRefProvider provider) =>
        (ActorSystemImpl)provider.Settings.System;

    public static EventStream EventStreamOf(this IActorRefProvider provider) => provider.Settings.System.EventStream;
}
