namespace Colo.Host.Node;

/// <summary>
/// The orders that came to this node, by their ids: an id that comes again is not carried out again, whoever repeats it
/// gets the outcome of the first. Keeps the last ones. Any thread.
/// </summary>
public sealed class CommandJournal(TimeProvider time)
{
    private const int Kept = 1_000;

    private readonly Lock gate = new();
    private readonly Dictionary<string,
    (CommandRecord Record, Task<CommandRecord> Running)> commands = new(StringComparer.Ordinal);
    private readonly Queue<string> order = new();

    /// <summary>Newest first.</summary>
    public IReadOnlyList<CommandRecord> Records()
    {
        lock (gate)
        {
            return [.. order.Reverse().Select(id => commands[id].Record)];
        }
    }

    public CommandRecord? Find(string id)
    {
        lock (gate)
        {
            return commands.TryGetValue(id, out (CommandRecord Record, Task<CommandRecord> Running) entry)
                ? entry.Record : null;
        }
    }

    /// <summary>Runs an order, once for its id.</summary>
    /// <param name="act">Carries it out; its result is a state and a text. What it throws is a failure of the
    /// order.</param>
    /// <exception cref="InvalidOperationException">The id belongs to another order.</exception>
    public Task<CommandRecord> RunAsync(
        string id, string vm, string verb, string parameters, string from, Func<Task<(string State, string Text)>> act)
    {
        lock (gate)
        {
            if (commands.TryGetValue(id, out (CommandRecord Record, Task<CommandRecord> Running) known))
            {
                return known.Record.Vm == vm && known.Record.Verb == verb && known.Record.Parameters == parameters
                    ? known.Running
                    : throw new InvalidOperationException($"command {id} was '{known.Record.Verb} {known.Record.Vm}' before; give each command an id of its own");
            }

            var record = new CommandRecord(id, vm, verb, parameters, from, time.GetUtcNow(), "running", string.Empty);
            Task<CommandRecord> running = Task.Run(() => FinishAsync(record, act));
            commands[id] = (record, running);
            order.Enqueue(id);
            if (order.Count > Kept)
            {
                commands.Remove(order.Dequeue());
            }

            return running;
        }
    }

    private async Task<CommandRecord> FinishAsync(CommandRecord record, Func<Task<(string State, string Text)>> act)
    {
        string state;
        string text;
        try
        {
            (state, text) = await act().ConfigureAwait(false);
        }
        catch (Exception problem)
        {
            // Whatever it was: an order that stays "running" could never be asked for again under its id.
            (state, text) = ("failed", $"{problem.GetType().Name}: {problem.Message}");
        }

        CommandRecord finished = record with { State = state, Text = text };
        lock (gate)
        {
            if (commands.TryGetValue(record.Id, out (CommandRecord Record, Task<CommandRecord> Running) entry))
            {
                commands[record.Id] = (finished, entry.Running);
            }
        }

        return finished;
    }
}
