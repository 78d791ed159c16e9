using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Colo.Host.Tests.Style;

/// <summary>Style as a test: walks the sources and fails with a line "path:line: rule: what" for each place.</summary>
public sealed partial class TidyTests
{
    // G1: references point inward. Test projects may use what they test; nothing uses a test project.
    private static readonly Dictionary<string, string[]> s_references = new()
    {
        ["Colo.Vmm"] = [],
        ["Colo.Akka"] = [],
        ["Colo.Akka.TestKit"] = ["Colo.Akka"],
        ["Colo.Actors"] = ["Colo.Vmm"],
        ["Colo.Host"] = ["Colo.Actors", "Colo.Vmm"],
        ["Colo.Vmm.Tests"] = ["Colo.Vmm"],
        ["Colo.Akka.Tests"] = [],
        ["Colo.Actors.Tests"] = ["Colo.Actors", "Colo.Vmm"],
        ["Colo.Host.Tests"] = ["Colo.Host"],
        ["Colo.Simulation"] = ["Colo.Actors", "Colo.Vmm"],
        ["Colo.EndToEnd"] = ["Colo.Vmm", "Colo.Host"],
        ["Colo.Benchmarks"] = ["Colo.Vmm", "Colo.Actors"],
    };

    // Only what Colo.Vmm and Colo.Actors may never need is listed; docs/dependencies.md has the reasons of the others.
    private static readonly string[] s_withoutPackages = ["Colo.Vmm"];

    [Fact]
    public void Sources_keep_the_limits_the_words_and_their_namespaces()
    {
        Offence[] offences =
        [
            .. SourceTree.Files(".cs").Where(path => !path.StartsWith("tests/Colo.Host.Tests/Style/", StringComparison.Ordinal))
                .SelectMany(path => SourceRules.Check(path, SourceTree.Lines(path))),
            .. SourceTree.Files(".csproj").SelectMany(WrongNamespaces),
        ];
        if (Environment.GetEnvironmentVariable("COLO_STYLE_WRITE") == "1")
        {
            Allowance.Write(offences);
        }

        None(Allowance.Excess(offences));
    }

    [Fact]
    public void Projects_reference_only_what_the_table_allows()
    {
        List<Offence> offences = [];
        foreach (string path in SourceTree.Files(".csproj"))
        {
            string name = Path.GetFileNameWithoutExtension(path);
            XDocument project = XDocument.Parse(SourceTree.Text(path));
            if (!s_references.TryGetValue(name, out string[]? allowed))
            {
                offences.Add(new Offence(path, 1, "reference", "a project that the table of TidyTests does not have"));
                continue;
            }

            offences.AddRange(project.Descendants("ProjectReference")
                .Select(reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value.Replace('\\', '/')))
                .Where(target => !allowed.Contains(target))
                .Select(target => new Offence(path, 1, "reference", $"{target}, allowed: {string.Join(", ", allowed)}")));
            if (s_withoutPackages.Contains(name))
            {
                offences.AddRange(project.Descendants("PackageReference")
                    .Select(package => new Offence(path, 1, "package", package.Attribute("Include")!.Value)));
            }
        }

        None(offences);
    }

    [Fact]
    public void Every_package_has_a_line_of_reason()
    {
        string reasons = SourceTree.Text("docs/dependencies.md");
        None(XDocument.Parse(SourceTree.Text("Directory.Packages.props")).Descendants("PackageVersion")
            .Select(package => package.Attribute("Include")!.Value)
            .Where(package => !reasons.Contains(package, StringComparison.Ordinal))
            .Select(package => new Offence("Directory.Packages.props", 1, "dependency", $"{package} is not in docs/dependencies.md")));
    }

    [Fact]
    public void Every_key_of_the_reference_has_a_comment_and_a_reader()
    {
        const string path = "hocon/reference.conf";
        string[] lines = SourceTree.Lines(path);
        string sources = string.Join('\n', SourceTree.Files(".cs").Where(file => !SourceTree.IsTest(file)).Select(SourceTree.Text));
        List<Offence> offences = [];
        for (int i = 0; i < lines.Length; i++)
        {
            foreach (Match match in OptionKey().Matches(lines[i].Split('#')[0]))
            {
                string key = match.Groups[1].Value;
                // A group of lines shares the comment above it.
                int above = i;
                while (above > 0 && lines[above].Trim().Length > 0 && !lines[above].TrimStart().StartsWith('#'))
                {
                    above--;
                }

                if (!lines[above].TrimStart().StartsWith('#') && !lines[i].Contains('{'))
                {
                    offences.Add(new Offence(path, i + 1, "option", $"'{key}' has no comment"));
                }

                if (!sources.Contains(key, StringComparison.Ordinal))
                {
                    offences.Add(new Offence(path, i + 1, "option", $"nothing reads '{key}'"));
                }
            }
        }

        Assert.NotEmpty(lines);
        None(offences);
    }

    [Fact]
    public void Commands_in_the_documents_exist()
    {
        string launcher = SourceTree.Text("colo");
        string commands = string.Join('\n', SourceTree.Files(".cs").Where(path => path.StartsWith("Colo.Host/Cli/", StringComparison.Ordinal))
            .Select(SourceTree.Text));
        None(SourceTree.Files(".md").SelectMany(path => SourceTree.Lines(path).SelectMany((line, i) => LauncherCall().Matches(line)
            .Select(match => match.Groups[1].Value)
            .Where(word => !Regex.IsMatch(launcher, $@"(^|[ |]){word}[)|]", RegexOptions.Multiline)
                && !commands.Contains($"\"{word}\"", StringComparison.Ordinal))
            .Select(word => new Offence(path, i + 1, "command", $"'./colo {word}' does not exist")))));
    }

    [Fact]
    public void The_rules_see_what_they_are_for()
    {
        string[] method =
        [
            "namespace A;", "public sealed class B", "{", "    public void Long(", "        int a)", "    {",
            .. Enumerable.Repeat("        a++;", 69), "    }", "}",
        ];
        Assert.Equal("A.cs:4: method-length: 73 lines, at most 70", Assert.Single(SourceRules.Check("A.cs", method)).ToString());
        Assert.Equal("file-length", Assert.Single(SourceRules.Check("A.cs", [.. Enumerable.Repeat("", 601)])).Rule);
        Assert.Empty(SourceRules.Check("tests/A.cs", [.. Enumerable.Repeat("", 601)]));
        Assert.Equal("line-length", Assert.Single(SourceRules.Check("A.cs", [new string('x', 121)])).Rule);
        foreach (string bad in (string[])["// FIXME", "// TODO later", "x = DateTime.UtcNow;", "Thread.Sleep(1);", "/// <summary>Gets or sets the x.</summary>"])
        {
            Assert.Single(SourceRules.Check("A.cs", [bad]));
        }

        Assert.Empty(SourceRules.Check("A.cs", ["// TODO when #12 is done"]));
        Assert.Single(SourceRules.CheckNamespace("P/Q/A.cs", ["namespace P;"], "P", "P"));
        Assert.Empty(SourceRules.CheckNamespace("P/Q/A.cs", ["namespace R.Q;"], "P", "R"));
    }

    private static IEnumerable<Offence> WrongNamespaces(string project)
    {
        string folder = Path.GetDirectoryName(project)!.Replace('\\', '/');
        string root = XDocument.Parse(SourceTree.Text(project)).Descendants("RootNamespace").FirstOrDefault()?.Value
            ?? Path.GetFileNameWithoutExtension(project);
        return SourceTree.Files(".cs").Where(path => path.StartsWith(folder + "/", StringComparison.Ordinal))
            .SelectMany(path => SourceRules.CheckNamespace(path, SourceTree.Lines(path), folder, root));
    }

    private static void None(IEnumerable<Offence> offences)
    {
        string[] lines = [.. offences.Select(offence => offence.ToString())];
        Assert.True(lines.Length == 0, $"{lines.Length} places:\n{string.Join('\n', lines.Take(60))}");
    }

    [GeneratedRegex(@"(?:^|[{,])\s*([a-z][a-z0-9-]*)\s*(?:[={]|$)")]
    private static partial Regex OptionKey();

    [GeneratedRegex(@"\./colo ([a-z][a-z-]*)")]
    private static partial Regex LauncherCall();
}
