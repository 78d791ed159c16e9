using Colo.Host.Node;

namespace Colo.Host.Tests.Node;

public sealed class CommandJournalTests
{
    [Fact]
    public async Task An_order_that_throws_has_failed_and_is_not_running_for_ever()
    {
        var journal = new CommandJournal(TimeProvider.System);

        CommandRecord record = await journal.RunAsync(
            "1", "web", "create", string.Empty, "here", () => throw new ArgumentNullException("s"));

        Assert.Equal("failed", record.State);
        Assert.Contains("ArgumentNullException", record.Text, StringComparison.Ordinal);
        Assert.Equal("failed", journal.Find("1")!.State);
    }
}
