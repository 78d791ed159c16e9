using Akka.Actor;

namespace Akka.Util;

/// <summary>What is written in place of a value that only means something inside one actor system.</summary>
public interface ISurrogate
{
    ISurrogated FromSurrogate(ActorSystem system);
}
