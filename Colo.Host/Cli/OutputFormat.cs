namespace Colo.Host.Cli;

/// <summary>How a command prints.</summary>
internal enum OutputFormat
{
    Table,
    Wide,
    Json,
    Yaml,
}
