using Colo.Actors.Protocol;

namespace Colo.Actors.Tests.Protocol;

public sealed class EventCodeTests
{
    [Fact]
    public void Every_code_has_an_entry_in_the_documentation()
    {
        string page = File.ReadAllText(Path.Combine(RepositoryRoot(), "docs", "events.md"));
        string[] missing = [.. Enum.GetValues<EventCode>().Where(code => !page.Contains($"| {(int)code} | {code} |", StringComparison.Ordinal))
            .Select(code => $"{(int)code} {code}")];
        Assert.True(missing.Length == 0, "docs/events.md lacks: " + string.Join(", ", missing));
    }

    [Fact]
    public void Every_code_is_in_a_group() =>
        Assert.All(Enum.GetValues<EventCode>(), code => Assert.InRange((int)code, 1001, 9999));

    private static string RepositoryRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Colo.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("Colo.sln is not above the test's folder");
    }
}
