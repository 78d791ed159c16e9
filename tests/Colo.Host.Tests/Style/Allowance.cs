using System.Globalization;

namespace Colo.Host.Tests.Style;

/// <summary>
/// What broke a rule when the rule came, in <c>allowed.txt</c>: a line "rule path number", where the number is how many
/// places there may be, or by how many lines a file or its methods may be too long; too wide lines are counted for a
/// whole project. A number may shrink and never grow. COLO_STYLE_WRITE=1 writes the present state.
/// </summary>
internal static class Allowance
{
    private static readonly string s_path = Path.Combine(SourceTree.Root, "tests/Colo.Host.Tests/Style/allowed.txt");

    /// <summary>The offences of every entry that has more than it is allowed.</summary>
    public static IEnumerable<Offence> Excess(IEnumerable<Offence> offences)
    {
        Dictionary<string, int> allowed = File.ReadAllLines(s_path)
            .Where(line => line.Length > 0 && line[0] != '#')
            .ToDictionary(
                line => line[..line.LastIndexOf(' ')],
                line => int.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));
        foreach (var group in offences.GroupBy(Entry))
        {
            int bound = allowed.GetValueOrDefault(group.Key);
            int present = group.Sum(offence => offence.Weight);
            if (present > bound)
            {
                yield return new Offence("tests/Colo.Host.Tests/Style/allowed.txt", 1, group.Key, $"{present}, allowed {bound}");
                foreach (Offence offence in group)
                {
                    yield return offence;
                }
            }
        }
    }

    public static void Write(IEnumerable<Offence> offences) => File.WriteAllLines(
        s_path,
        [
            "# What is not tidy yet; see Allowance.cs. A number may shrink; one that grows is a decision to be explained in review.",
            .. offences.GroupBy(Entry).OrderBy(group => group.Key, StringComparer.Ordinal)
                .Select(group => string.Create(CultureInfo.InvariantCulture, $"{group.Key} {group.Sum(offence => offence.Weight)}")),
        ]);

    private static string Entry(Offence offence) => offence.Rule == "line-length"
        ? $"line-length {Project(offence.Path)}"
        : $"{offence.Rule} {offence.Path}";

    private static string Project(string path) =>
        string.Join('/', path.Split('/').Take(SourceTree.IsTest(path) ? 2 : 1));
}
