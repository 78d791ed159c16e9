namespace Colo.Host.Tests.Style;

/// <summary>One place that breaks a rule, and by how much: lines beyond the bound, or 1.</summary>
internal sealed record Offence(string Path, int Line, string Rule, string What, int Weight = 1)
{
    public override string ToString() => $"{Path}:{Line}: {Rule}: {What}";
}
