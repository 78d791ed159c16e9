using System.Collections.Concurrent;
using Colo.Actors.Protocol;
using Colo.Actors.Vm;
using Colo.Host.Cluster;
using Colo.Vmm.Block;

namespace Colo.Host.Node;

/// <summary>A comparison of a VM's disks, under way or over.</summary>
/// <param name="State">running, equal, differs or aborted.</param>
/// <param name="FirstDisk">Number of the first disk that differs, and where; null while none is known.</param>
public sealed record VerifyView(
    string State, DateTimeOffset Began, DateTimeOffset? Ended, long DoneBytes, long TotalBytes, long DifferentBytes,
    int? FirstDisk, long? FirstOffset, long? FirstLength, ulong FromEpoch, ulong ToEpoch, string Text);

/// <summary>
/// <c>colo disk verify</c> on a node: one comparison of each VM at a time, its progress, and the last result.
/// </summary>
public sealed class DiskVerifier(NodeRuntime node, TimeProvider time)
{
    private readonly ConcurrentDictionary<string, VerifyView> runs = new(StringComparer.Ordinal);

    /// <summary>The comparison that runs, or the last one; null before the first.</summary>
    public VerifyView? Of(string vm) => runs.GetValueOrDefault(vm);

    /// <summary>Compares to the end.</summary>
    public async Task<Outcome> RunAsync(VmRecord vm, CancellationToken cancellation)
    {
        string name = vm.Definition.Name;
        if (Refusal(vm) is { } refusal)
        {
            return Outcome.Refused(refusal);
        }

        DateTimeOffset began = time.GetUtcNow();
        var running = new VerifyView("running", began, null, 0, 0, 0, null, null, null, 0, 0, string.Empty);
        if (runs.TryGetValue(name, out VerifyView? other)
            ? other.State == "running" || !runs.TryUpdate(name, running, other)
            : !runs.TryAdd(name, running))
        {
            return Outcome.Refused($"the disks of '{name}' are being compared already");
        }

        var ended = running with { State = "aborted" };
        try
        {
            // Under way before it is told: whoever reads the event finds the progress.
            string what = $"the disks of {name} are compared with {vm.Status?.Peer}'s";
            Tell(vm, new HostEvent(EventCode.VerifyStarted, TermOf(vm), EpochOf(vm), what));
            DiskVerifyReport report = await vm.Backend!.VerifyDisks(
                (done, total) => runs[name] = running with { DoneBytes = done, TotalBytes = total }, cancellation)!
                .ConfigureAwait(false);
            ended = Of(report, runs[name], time.GetUtcNow());
        }
        catch (Exception gone) when (gone is OperationCanceledException or ObjectDisposedException or IOException)
        {
            string text = $"not compared to the end: {gone.Message}";
            ended = runs[name] with { State = "aborted", Ended = time.GetUtcNow(), Text = text };
        }
        finally
        {
            runs[name] = ended;
        }

        Tell(vm, EventOf(vm, ended));
        return ended.State == "equal" ? Outcome.Done(ended.Text) : Outcome.Failed(ended.Text);
    }

    /// <summary>The end of a comparison in one view.</summary>
    internal static VerifyView Of(DiskVerifyReport report, VerifyView last, DateTimeOffset now)
    {
        long compared = report.Disks.Sum(disk => disk.Result.ComparedBytes);
        long different = report.Disks.Sum(disk => disk.Result.DifferentBytes);
        (int number, DiskVerifyResult? first) = report.Disks.FirstOrDefault(disk => disk.Result.FirstOffset >= 0);
        ulong from = report.Disks.Count > 0 ? report.Disks[0].Result.FromEpoch : 0;
        ulong to = report.Disks.Count > 0 ? report.Disks[^1].Result.ToEpoch : 0;
        string found = first is null ? string.Empty
            : $"disk {number} differs first at bytes {first.FirstOffset} to "
                + $"{first.FirstOffset + first.FirstLength - 1}, {different} bytes in parts that differ";
        string count = report.Disks.Count == 1 ? "1 disk" : $"{report.Disks.Count} disks";
        string text = report.Problem.Length > 0
            ? $"not compared to the end: {report.Problem}{(found.Length > 0 ? "; " + found : string.Empty)}"
            : found.Length > 0 ? $"{found} of {compared} compared, epochs {from} to {to}"
            : $"equal: {compared} bytes of {count} compared, epochs {from} to {to}";
        return last with
        {
            State = report.Problem.Length > 0 ? "aborted" : first is null ? "equal" : "differs",
            Ended = now,
            DoneBytes = compared,
            DifferentBytes = different,
            FirstDisk = first is null ? null : number,
            FirstOffset = first?.FirstOffset,
            FirstLength = first?.FirstLength,
            FromEpoch = from,
            ToEpoch = to,
            Text = text,
        };
    }

    private string? Refusal(VmRecord vm)
    {
        string name = vm.Definition.Name;
        string host = node.Self.Host.Name;
        return vm.Status is not { Role: VmRole.Primary, Protection: ProtectionState.Protected }
            ? $"'{name}' is {vm.Status?.Role.ToString() ?? "None"} and {vm.Status?.Protection.ToString() ?? "Parked"} "
                + $"on {host}: expected the primary of a protected pair"
            : vm.Definition.Backend == Configuration.VmBackendKind.Qemu
                ? $"'{name}' is a QEMU guest: QEMU has the links of its disks, expected a VM of the embedded machine"
            : vm.Definition.Disks.All(disk => disk.Mode != Configuration.VmDiskMode.Replicated)
                ? $"'{name}' has no replicated disk: expected at least one with mode = replicated"
            : null;
    }

    private static HostEvent EventOf(VmRecord vm, VerifyView ended) => ended.State switch
    {
        "equal" => new HostEvent(EventCode.VerifyEqual, TermOf(vm), EpochOf(vm), ended.Text),
        "differs" => new HostEvent(EventCode.VerifyDiffers, TermOf(vm), EpochOf(vm), ended.Text),
        _ => new HostEvent(EventCode.VerifyAborted, TermOf(vm), EpochOf(vm), ended.Text),
    };

    private void Tell(VmRecord vm, HostEvent happened) => node.Events.Add(vm.Definition.Name, happened);

    private static Term TermOf(VmRecord vm) => vm.Status?.Term ?? Term.Zero;

    private static Epoch EpochOf(VmRecord vm) => vm.Status?.Epoch ?? Epoch.Zero;
}
