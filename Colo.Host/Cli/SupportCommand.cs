using System.CommandLine;
using System.IO.Compression;
using System.Text;

namespace Colo.Host.Cli;

/// <summary>
/// The command <c>colo support bundle</c>: what a node knows about itself in one file for a bug report. No payload of
/// the guests, no console, no tokens, no keys: files of secrets are named in the configuration, never read.
/// </summary>
internal static class SupportCommand
{
    private static readonly string[] Resources =
        ["status", "health", "cluster/members", "vms", "history", "config", "commands", "actors", "events?follow=false",
            "metrics", "logs?last=2000", "openapi.json"];

    private static readonly Option<string> File = new(
        "--out") { Description = "The zip file to write", DefaultValueFactory = _ => "colo-support.zip" };

    public static Command Build()
    {
        var support = new Command("support", "For bug reports");
        support.Add(
            ClientCommand.Online(
            "bundle", "Status, events, configuration, log and metrics of a node in one zip file", BundleAsync, File));
        return support;
    }

    private static FileStream Create(string path)
    {
        try
        {
            return System.IO.File.Create(path);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new ClientException(ExitCode.Failed, $"{path} cannot be written: {problem.Message}", problem);
        }
    }

    private static async Task<int> BundleAsync(
        ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        string path = parsed.GetValue(File)!;
        if (System.IO.File.Exists(path))
        {
            throw new ClientException(ExitCode.Refused, $"{path} exists already; nothing was written");
        }

        var missing = new List<string>();
        using (var zip = new ZipArchive(Create(path), ZipArchiveMode.Create))
        {
            foreach (string resource in Resources)
            {
                string name = resource.Split('?')[0].Replace('/', '-');
                string text;
                try
                {
                    text = await context.Node.TextAsync(resource, cancellation).ConfigureAwait(false);
                }
                catch (ClientException e)
                {
                    missing.Add(resource);
                    text = $"not answered: {e.Message}";
                }

                using var writer = new StreamWriter(
                    zip.CreateEntry(name is "metrics" or "logs" ? name + ".txt" : name + ".json").Open(),
                    new UTF8Encoding(false));
                await writer.WriteAsync(text).ConfigureAwait(false);
            }
        }

        if (context.Json)
        {
            context.WriteJson(new { version = 1, file = path, resources = Resources.Length, missing });
        }
        else
        {
            await context.Output.WriteLineAsync($"{path}: {Resources.Length - missing.Count} of {Resources.Length} parts; look through it before you hand it on").ConfigureAwait(false);
        }

        return missing.Count == 0 ? ExitCode.Done : ExitCode.Degraded;
    }
}
