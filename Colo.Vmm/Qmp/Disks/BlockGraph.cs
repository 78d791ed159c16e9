using System.Text.Json.Nodes;
using Colo.Vmm.Qmp.Replication;

namespace Colo.Vmm.Qmp.Disks;

/// <summary>Placeholder of the next commit's disks.</summary>
internal sealed class BlockGraph(ReplicationHooks hooks, TimeProvider time, Action<string, JsonObject?> raise) : IDisposable
{
    public void AddCommands(QmpCommandTable commands)
    {
        _ = hooks;
        _ = time;
        _ = raise;
    }

    public IEnumerable<(string Name, Action Yank)> Yankables() => [];

    public void Dispose()
    {
    }
}
