using Akka.Actor;

namespace Akka.TestKit.Internal;

/// <summary>Carries the implicit sender of a test over an await.</summary>
internal sealed class ActorCellKeepingSynchronizationContext(ActorCell cell) : SynchronizationContext
{
    public override void Post(SendOrPostCallback d, object state) =>
        ThreadPool.QueueUserWorkItem(_ => Run(d, state), null);

    public override void Send(SendOrPostCallback d, object state) => Run(d, state);

    private void Run(SendOrPostCallback callback, object state)
    {
        var (outerCell, outerContext) = (ActorCell.Current, Current);
        ActorCell.Current = cell;
        SetSynchronizationContext(this);
        try
        {
            callback(state);
        }
        finally
        {
            ActorCell.Current = outerCell;
            SetSynchronizationContext(outerContext);
        }
    }
}
