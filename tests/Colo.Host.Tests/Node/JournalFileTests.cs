using Colo.Host.Node;

namespace Colo.Host.Tests.Node;

public sealed class JournalFileTests
{
    private sealed record Line(int Number);

    [Fact]
    public void A_record_behind_a_line_that_the_power_cut_is_not_lost()
    {
        string folder = Directory.CreateTempSubdirectory("colo-journal-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, "lines"), "{\"number\":1}\n{\"numb");
            new JournalFile<Line>(folder, "lines", 10).Add(new Line(2));

            Assert.Equal([1, 2], new JournalFile<Line>(folder, "lines", 10).Records.Select(line => line.Number));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
