using System.CommandLine;
using System.Text.Json;
using Colo.Host.Cluster;
using Colo.Host.Node;

namespace Colo.Host.Cli;

/// <summary>
/// The commands that look at the cluster, the node and its parts: <c>topology</c>, <c>describe</c>, <c>actors</c>,
/// <c>logs</c>, <c>disk show</c>.
/// </summary>
internal static class InspectCommands
{
    private const int EventsShown = 20;

    private static readonly Argument<string> Target = new(
        "VM|HOST|EVENT") { Description = "A VM, a host, or the number of an event" };
    private static readonly Argument<string> Vm = new("VM") { Description = "The VM's name" };
    private static readonly Option<int> Last = new(
        "--last") { Description = "How many lines", DefaultValueFactory = _ => 200 };

    public static IEnumerable<Command> Build()
    {
        yield return ClientCommand.Read(
            "topology", "VMs, hosts, roles, links and the arbiter as a tree", TopologyAsync);
        yield return ClientCommand.Read("describe", "Everything about a VM, a host or an event", DescribeAsync, Target);
        yield return ClientCommand.Read(
            "actors", "Every actor of the node and how long a question waited in its mailbox", ActorsAsync);
        yield return ClientCommand.Online("logs", "The last lines of the node's log", LogsAsync, Last);
        var disk = new Command("disk", "Disks of a VM");
        disk.Add(ClientCommand.Read("show", "The VM's disks on this host, and what is on its way", DiskAsync, Vm));
        disk.Add(DiskVerifyCommand.Build());
        yield return disk;
    }

    private static async Task<int> TopologyAsync(
        ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        ClusterStatusView status = await context.Node.StatusAsync(cancellation).ConfigureAwait(false);
        if (context.Json)
        {
            context.WriteJson(new { version = 1, status.Node, status.Arbiter, status.Members, status.Vms });
            return ExitCode.Done;
        }

        TextWriter output = context.Output;
        output.WriteLine($"cluster, seen from {status.Node}; arbiter: {status.Arbiter}");
        foreach (MemberView member in status.Members)
        {
            string links = string.Join(
                ", ", member.LinksUp.Select((up, number) => $"network {number} {(up ? "up" : "DOWN")}"));
            output.WriteLine($"|- {member.Node} [{string.Join(", ", member.Roles)}] {member.Status}, heard {StatusPage.Age(member.HeardMs)} ago, {links}"
                + $"{(member.LinkMs is { } ms && member.Node != status.Node ? $", round trip {StatusPage.Ms(ms)}" : string.Empty)}");
        }

        foreach (VmStatusView vm in status.Vms)
        {
            output.WriteLine($"|- {vm.Name}: {vm.Word}, term {vm.Term}, mode {vm.Mode}");
            foreach (VmHostRow row in vm.Hosts.Where(row => row.State != "granting"))
            {
                output.WriteLine($"   |- {row.Host}: {(row.Role == "-" ? "no role" : row.Role)}, {row.State}{(row.IsStale ? " (stale)" : string.Empty)}, disk {row.Disk}");
            }
        }

        return ExitCode.Done;
    }

    private static async Task<int> DescribeAsync(
        ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        string target = parsed.GetValue(Target)!;
        ClusterStatusView status = await context.Node.StatusAsync(cancellation).ConfigureAwait(false);
        IReadOnlyList<LoggedEvent> events = await context.Node.EventsAsync(0, cancellation).ConfigureAwait(false);
        if (status.Vms.FirstOrDefault(vm => vm.Name == target) is { } vm)
        {
            await DescribeVmAsync(
                context, vm, [.. events.Where(logged => logged.Vm == target).TakeLast(EventsShown)], cancellation)
                .ConfigureAwait(false);
        }
        else if (status.Members.FirstOrDefault(member => member.Node == target) is { } member)
        {
            Describe(
                context, new { version = 1, member },
                [.. events.Where(
                logged => logged.Vm.Length == 0 && logged.Summary.Contains(target, StringComparison.Ordinal))
                .TakeLast(EventsShown)]);
        }
        else if (long.TryParse(target, out long id) && events.FirstOrDefault(logged => logged.Id == id) is { } one)
        {
            string[]? entry = ExplainCommand.Entries().FirstOrDefault(cells => cells[0] == $"{one.Code}");
            Describe(context, new { version = 1, @event = one, meaning = entry?[2], next = entry?[3] }, []);
        }
        else
        {
            throw new ClientException(ExitCode.Failed, $"'{target}' is no VM, host or event that {status.Node} knows");
        }

        return ExitCode.Done;
    }

    private static async Task DescribeVmAsync(
        ClientContext context, VmStatusView vm, IReadOnlyList<LoggedEvent> events, CancellationToken cancellation)
    {
        var options = await context.Node.GetAsync<ConfigView>("config", cancellation).ConfigureAwait(false);
        string prefix = $"colo.vms.{vm.Name}.";
        IReadOnlyList<ConfigEntry> own =
            [.. options.Entries.Where(entry => entry.Key.StartsWith(prefix, StringComparison.Ordinal))];
        if (context.Json)
        {
            context.WriteJson(new { version = 1, vm, options = own, events });
            return;
        }

        StatusPage.Write(context, vm, DateTimeOffset.UtcNow);
        context.Output.WriteLine();
        context.WriteTable(
            ["  OPTION", "VALUE", "SET IN"],
            own.Select(entry => (IReadOnlyList<string>)["  " + entry.Key[prefix.Length..], entry.Value, entry.Source]));
        context.Output.WriteLine();
        WriteEvents(context, events);
    }

    private static void Describe(ClientContext context, object what, IReadOnlyList<LoggedEvent> events)
    {
        JsonElement json = JsonSerializer.SerializeToElement(what, ClientCommand.Json);
        if (context.Json)
        {
            context.WriteJson(new { version = 1, what = json, events });
            return;
        }

        context.Output.Write(Yaml.Of(json));
        WriteEvents(context, events);
    }

    private static void WriteEvents(ClientContext context, IReadOnlyList<LoggedEvent> events)
    {
        foreach (LoggedEvent logged in events)
        {
            context.Output.WriteLine(EventsCommand.LineOf(logged));
        }
    }

    private static async Task<int> ActorsAsync(
        ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        var actors = await context.Node.GetAsync<IReadOnlyList<ActorView>>("actors", cancellation)
            .ConfigureAwait(false);
        if (context.Json)
        {
            context.WriteJson(new { version = 1, actors });
        }
        else
        {
            context.WriteTable(["ACTOR", "ANSWERED IN"], actors.Select(actor => (IReadOnlyList<string>)
                [actor.Path, actor.AnsweredMs is { } ms ? StatusPage.Ms(ms) : "not within 1 s"]));
        }

        return actors.All(actor => actor.AnsweredMs is not null) ? ExitCode.Done : ExitCode.Degraded;
    }

    private static async Task<int> LogsAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        string text = await context.Node.TextAsync($"logs?last={parsed.GetValue(Last)}", cancellation)
            .ConfigureAwait(false);
        if (context.Json)
        {
            context.WriteJson(new { version = 1, lines = text.TrimEnd('\n').Split('\n') });
        }
        else
        {
            await context.Output.WriteAsync(text).ConfigureAwait(false);
        }

        return ExitCode.Done;
    }

    private static async Task<int> DiskAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        VmDisks disks = await context.Node.GetAsync<VmDisks>(
            $"{NodeClient.PathOf(parsed.GetValue(Vm)!)}/disks", cancellation).ConfigureAwait(false);
        if (context.Json)
        {
            context.WriteJson(new { version = 1, disks });
            return ExitCode.Done;
        }

        await context.Output.WriteLineAsync($"{disks.Vm} on {disks.Host} ({disks.Role}): {disks.LagBytes:N0} bytes not yet acknowledged, buffer {disks.BufferBytes:N0} bytes"
            + (disks.ResyncTotalBytes > 0
                ? $", copy {disks.ResyncDoneBytes:N0} of {disks.ResyncTotalBytes:N0} bytes" : string.Empty))
                .ConfigureAwait(false);
        context.WriteTable(
            ["NUMBER", "MODE", "SIZE", "SERIAL", "PATH"], disks.Disks.Select(disk => (IReadOnlyList<string>)
            [$"{disk.Number}", disk.Mode, disk.SizeBytes is { } size
                ? $"{size:N0}" : "missing", disk.Serial, disk.Path]));
        return ExitCode.Done;
    }
}
