using System.CommandLine;
using System.Net.ServerSentEvents;
using System.Text.Json;
using Colo.Actors.Network;
using Colo.Host.Node;
using Colo.Host.Web;

namespace Colo.Host.Cli;

/// <summary>The command <c>colo tap</c>: what the comparer of a VM decides, as it decides it.</summary>
internal static class TapCommand
{
    private static readonly Argument<string> Vm = new("VM") { Description = "The VM's name" };
    private static readonly Option<bool> Mismatch = new(
        "--mismatch") { Description = "Only mismatches, and the checkpoints that were asked for" };
    private static readonly Option<bool> Payload = new(
        "--payload") { Description = "Also what the frames of a mismatch carry there: data of the guest's clients" };
    private static readonly Option<int?> Limit = new("--limit") { Description = "End after so many decisions" };

    public static Command Build() => ClientCommand.Online(
        "tap", "Live decisions of the VM's comparer; asks the node where the VM is primary", RunAsync,
        Vm, Mismatch, Payload, Limit);

    private static async Task<int> RunAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        int limit = parsed.GetValue(Limit) ?? int.MaxValue;
        if (limit < 1)
        {
            throw new CommandLineException($"--limit {limit}: expected at least 1");
        }

        string path = $"{NodeClient.PathOf(parsed.GetValue(Vm)!)}/tap?mismatch={Word(parsed.GetValue(Mismatch))}"
            + $"&payload={Word(parsed.GetValue(Payload))}";
        using HttpResponseMessage response = await context.Node.OpenAsync(path, null, cancellation)
            .ConfigureAwait(false);
        try
        {
            using Stream body = await response.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
            SseParser<string> parser = SseParser.Create(body);
            await foreach (SseItem<string> item in parser.EnumerateAsync(cancellation).ConfigureAwait(false))
            {
                if (!Enum.TryParse(item.EventType, out TapWord _))
                {
                    Remark(context, item);
                }
                else if (JsonSerializer.Deserialize<TapEntry>(item.Data, TapApi.Json) is { } entry)
                {
                    Write(context, entry);
                    if (--limit == 0)
                    {
                        return ExitCode.Done;
                    }
                }
            }
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            throw new ClientException(ExitCode.Unreachable, $"the stream broke off: {e.Message}", e);
        }
        catch (JsonException e)
        {
            throw new ClientException(ExitCode.Failed, $"the stream is not Colo's JSON: {e.Message}", e);
        }

        throw new ClientException(ExitCode.Unreachable, "the node has ended the stream");
    }

    private static string Word(bool value) => value ? "true" : "false";

    /// <summary>What the stream says about itself.</summary>
    private static void Remark(ClientContext context, SseItem<string> item)
    {
        if (item.EventType == "missed")
        {
            using JsonDocument data = JsonDocument.Parse(item.Data);
            context.Error.WriteLine(
                $"colo: {data.RootElement.GetProperty("missed").GetInt64():N0} decisions missed so far: "
                + "this reader is too slow");
        }
    }

    private static void Write(ClientContext context, TapEntry entry)
    {
        if (context.Json)
        {
            context.WriteJson(new { version = 1, decision = JsonSerializer.SerializeToElement(entry, TapApi.Json) });
        }
        else
        {
            context.Output.WriteLine(LineOf(entry));
        }

        context.Output.Flush();
    }

    private static string LineOf(TapEntry entry)
    {
        string line = $"{entry.Time.ToLocalTime():HH:mm:ss.fff} nic {entry.Nic} epoch {entry.Epoch} "
            + $"{entry.Word} {entry.Reason}";
        line += entry.Connection.Length > 0 ? $" {entry.Connection}" : string.Empty;
        line += entry.Bytes > 0 ? $" {entry.Bytes} bytes" : string.Empty;
        line += entry.Offset is { } offset ? $" at byte {offset}: {PacketsPage.BytesOf(entry)}" : string.Empty;
        return entry.PrimaryPayload is null ? line
            : line + $"\n  primary   {entry.PrimaryPayload}\n  secondary {entry.SecondaryPayload}";
    }
}
