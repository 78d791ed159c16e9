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
    public void Every_code_is_emitted_somewhere()
    {
        string[] sources =
        [
            .. new[] { "Colo.Actors", "Colo.Host" }.SelectMany(project => Directory.GetFiles(
                    Path.Combine(RepositoryRoot(), project), "*.cs", SearchOption.AllDirectories))
                .Where(path => !path.Contains("/obj/", StringComparison.Ordinal) && Path.GetFileName(path) is not ("EventCode.cs" or "EventCodes.cs"))
                .SelectMany(File.ReadLines)
                .Where(line => line.Contains("Emit(", StringComparison.Ordinal) || line.Contains("new HostEvent(", StringComparison.Ordinal)
                    || line.Contains("EventCode code", StringComparison.Ordinal) || line.Contains("=> EventCode.", StringComparison.Ordinal)
                    || line.TrimStart().StartsWith("new HostEvent(", StringComparison.Ordinal)),
        ];
        string all = string.Join('\n', sources);
        string[] silent = [.. Enum.GetNames<EventCode>().Where(name => !System.Text.RegularExpressions.Regex.IsMatch(all, $@"EventCode\.{name}\b"))];
        Assert.True(silent.Length == 0, "documented but never emitted: " + string.Join(", ", silent));
    }

    [Fact]
    public void No_entry_of_the_documentation_is_of_a_code_that_does_not_exist()
    {
        string page = File.ReadAllText(Path.Combine(RepositoryRoot(), "docs", "events.md"));
        foreach (System.Text.RegularExpressions.Match entry in System.Text.RegularExpressions.Regex.Matches(page, @"^\| (\d+) \| (\w+) \|",
            System.Text.RegularExpressions.RegexOptions.Multiline))
        {
            Assert.Equal(entry.Groups[2].Value, ((EventCode)int.Parse(entry.Groups[1].Value)).ToString());
        }
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
