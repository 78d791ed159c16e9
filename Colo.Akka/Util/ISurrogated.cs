using Akka.Actor;

namespace Akka.Util;

/// <summary>A value that crosses a process boundary as its surrogate.</summary>
public interface ISurrogated
{
    ISurrogate ToSurrogate(ActorSystem system);
}
