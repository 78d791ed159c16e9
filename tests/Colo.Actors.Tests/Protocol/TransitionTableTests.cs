using Colo.Actors.Checkpoint;
using Colo.Actors.Checkpoint.Primary;
using Colo.Actors.Checkpoint.Secondary;
using Colo.Actors.Disk;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Actors.Tests.Protocol;

/// <summary>Style G15: every (state, message) pair is handled, or ignored with a reason.</summary>
public sealed class TransitionTableTests
{
    private static readonly HostIdentity Self = new(new HostId("a"), new Incarnation(1));

    [Fact]
    public void Failover_table_has_a_row_for_every_pair() =>
        AssertTotal(new FailoverController(new VmId("vm"), Self, new FailoverOptions { Candidates = [Self.Host] }).Table);

    [Fact]
    public void Primary_checkpoint_table_has_a_row_for_every_pair() =>
        AssertTotal(new PrimaryCheckpointCore(Self, new CheckpointOptions()).Table);

    [Fact]
    public void Secondary_checkpoint_table_has_a_row_for_every_pair() => AssertTotal(new SecondaryCheckpointCore(Self).Table);

    [Fact]
    public void Disk_table_has_a_row_for_every_pair() => AssertTotal(new DiskReplicationCore(Self).Table);

    [Fact]
    public void Resync_table_has_a_row_for_every_pair() => AssertTotal(new ResyncWorkerCore(new ResyncOptions()).Table);

    private static void AssertTotal<TState>(TransitionTable<TState> table)
        where TState : struct, Enum
    {
        List<string> holes = [];
        foreach (Type message in table.MessageTypes)
        {
            foreach (TState state in Enum.GetValues<TState>())
            {
                string? row = table.Describe(state, message);
                if (row is null)
                {
                    holes.Add($"{state} x {message.Name}");
                }
            }
        }

        Assert.NotEmpty(table.MessageTypes);
        Assert.True(holes.Count == 0, "no row for: " + string.Join(", ", holes));
    }
}
