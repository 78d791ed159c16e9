namespace Colo.Vmm.Monitor;

/// <summary>The commands that a monitor knows. Filled before the server starts; other parts add their own.</summary>
public sealed class QmpCommandTable
{
    private readonly SortedDictionary<string, QmpCommand> _commands = new(StringComparer.Ordinal);

    public IEnumerable<string> Names => _commands.Keys;

    public void Add(QmpCommand command) => _commands.Add(command.Name, command);

    public void Add(string name, Func<QmpReply> handler) => Add(new QmpCommand(name, _ => handler()));

    public QmpCommand? Find(string name) => _commands.GetValueOrDefault(name);
}
