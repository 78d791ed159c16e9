namespace Colo.Host.Tests.Style;

/// <summary>The repository's files as the tidy test reads them.</summary>
internal static class SourceTree
{
    public static string Root { get; } = FindRoot();

    /// <summary>All files with this ending, without what a build makes; paths with slashes, relative to the
    /// root.</summary>
    public static IEnumerable<string> Files(string ending) => Below(Root)
        .Where(path => path.EndsWith(ending, StringComparison.Ordinal))
        .Select(path => Path.GetRelativePath(Root, path).Replace('\\', '/'))
        .Order(StringComparer.Ordinal);

    public static string[] Lines(string path) => File.ReadAllLines(Path.Combine(Root, path));

    public static string Text(string path) => File.ReadAllText(Path.Combine(Root, path));

    public static bool IsTest(string path) => path.StartsWith("tests/", StringComparison.Ordinal);

    private static IEnumerable<string> Below(string folder)
    {
        foreach (string file in Directory.EnumerateFiles(folder))
        {
            yield return file;
        }

        foreach (string inner in Directory.EnumerateDirectories(folder))
        {
            if (Path.GetFileName(inner) is not ("bin" or "obj") and var name && !name.StartsWith('.'))
            {
                foreach (string file in Below(inner))
                {
                    yield return file;
                }
            }
        }
    }

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Colo.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("Colo.sln is not above the test's folder");
    }
}
