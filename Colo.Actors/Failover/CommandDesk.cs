using Colo.Actors.Protocol;

namespace Colo.Actors.Failover;

/// <summary>
/// Every command ends in done, refused or failed, and the same id twice acts once (L6). Keeps the last outcomes; a
/// repeated id gets the old answer, and while the first is pending the repetition waits for the same one.
/// </summary>
internal sealed class CommandDesk
{
    private const int KeptOutcomes = 256; // an operator's client repeats within seconds, not after hundreds of commands

    private readonly Dictionary<CommandId, (CommandResult Result, string Text)> _outcomes = [];
    private readonly Queue<CommandId> _order = new();

    /// <summary>The command that a running switchover, failover or stop will answer.</summary>
    public CommandId? Pending { get; private set; }

    /// <summary>False when the id is known: it was answered again, or will be.</summary>
    public bool Accept(OperatorCommand command, EffectList effects)
    {
        if (Pending == command.Id)
        {
            return false;
        }

        if (_outcomes.TryGetValue(command.Id, out (CommandResult Result, string Text) old))
        {
            effects.Add(new Effect.CompleteCommand(command.Id, old.Result, old.Text));
            return false;
        }

        return true;
    }

    public void Wait(CommandId id) => Pending = id;

    /// <summary>Answers the pending command, if there is one.</summary>
    public void Finish(CommandResult result, string text, EffectList effects)
    {
        if (Pending is { } id)
        {
            Pending = null;
            Answer(id, result, text, effects);
        }
    }

    public void Answer(CommandId id, CommandResult result, string text, EffectList effects)
    {
        if (_outcomes.TryAdd(id, (result, text)))
        {
            _order.Enqueue(id);
            if (_order.Count > KeptOutcomes)
            {
                _outcomes.Remove(_order.Dequeue());
            }
        }

        effects.Add(new Effect.CompleteCommand(id, result, text));
        EventCode code = result switch
        {
            CommandResult.Done => EventCode.CommandDone,
            CommandResult.Refused => EventCode.CommandRefused,
            CommandResult.Failed => EventCode.CommandFailed,
            _ => throw new System.Diagnostics.UnreachableException(),
        };
        effects.Add(new Effect.Emit(new HostEvent(code, Term.Zero, Epoch.Zero, $"{id}: {text}")));
    }
}
