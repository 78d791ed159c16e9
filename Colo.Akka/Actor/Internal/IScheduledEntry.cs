namespace Akka.Actor.Internal;

/// <summary>Something that waits in a scheduler.</summary>
internal interface IScheduledEntry
{
    void Remove();
}
