using System.Globalization;
using Colo.Host.Cli;

namespace Colo.Host.Demo;

/// <summary>
/// What an operator does to a running pair: listens to the comparer, compares the disks, runs a drill. On a busy
/// machine the hosts may exchange their roles by themselves; an order that is refused for that is given again.
/// </summary>
internal sealed class LabOperatorSteps(LabScenario scenario, Func<NodeProcess, string> image)
{
    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(500);

    /// <summary>Released answers of a client are told as they leave.</summary>
    public async Task ListenAsync()
    {
        DateTimeOffset limit = DateTimeOffset.UtcNow + LabScenario.StepLimit;
        while (true)
        {
            await scenario.PairedAsync().ConfigureAwait(false);
            (int code, string told) = await LabCluster.RunAsync(
                scenario.Primary.Name, Environment.ProcessPath!, "tap", LabVm.Name, "--limit", "50")
                .ConfigureAwait(false);
            if (code == ExitCode.Done && told.Split('\n').Any(line =>
                line.Contains(" Released ", StringComparison.Ordinal)
                && line.Contains(" tcp ", StringComparison.Ordinal)))
            {
                return;
            }

            if (DateTimeOffset.UtcNow > limit)
            {
                throw new InvalidOperationException($"colo tap ended with {code}, and no segment left:\n{told}");
            }

            await Task.Delay(Again).ConfigureAwait(false);
        }
    }

    /// <summary>Equal disks are found equal; a byte that somebody else changes on the secondary's is found; nothing
    /// else is wrong when it is put back.</summary>
    public async Task CompareDisksAsync(long size)
    {
        long at = size - 77; // the file system does not use the last part of its disk
        await VerifyAsync(ExitCode.Done, "equal: ").ConfigureAwait(false);
        string path = image(scenario.Secondary);
        Flip(path, at);
        try
        {
            long part = at / 65536 * 65536;
            string expected = string.Create(
                CultureInfo.InvariantCulture, $"disk 0 differs first at bytes {part} to {part + 65535}");
            await VerifyAsync(ExitCode.Failed, expected).ConfigureAwait(false);
        }
        finally
        {
            Flip(path, at);
        }

        await VerifyAsync(ExitCode.Done, "equal: ").ConfigureAwait(false);
    }

    /// <summary>The primary's process stops for a while by a drill, under ICMP echo; the report says how it
    /// went.</summary>
    public async Task DrillAsync(string kill)
    {
        (int code, string output) = await OrderAsync(
            () => scenario.Secondary, "drill", "failover", LabVm.Name, "--kill", kill, "--for", "6s", "--yes",
            "--load", NetworkLab.GuestAddress).ConfigureAwait(false);
        LabScenario.Say("  " + output.Trim().ReplaceLineEndings("\n  "));
        // Whether it kept the limits is for quiet machines.
        if (code is not (ExitCode.Done or ExitCode.Failed)
            || !output.Contains("protected again", StringComparison.Ordinal)
            || !output.Contains($"answers ({NetworkLab.GuestAddress})", StringComparison.Ordinal))
        {
            throw new InvalidOperationException($"the drill ended with {code}: {output}");
        }

        await scenario.PairedAsync().ConfigureAwait(false);
    }

    private async Task VerifyAsync(int expectedCode, string expected)
    {
        (int code, string output) = await OrderAsync(() => scenario.Primary, "disk", "verify", LabVm.Name)
            .ConfigureAwait(false);
        LabScenario.Say($"  {output.Trim().Split('\n')[0]}");
        if (code != expectedCode || !output.Contains(expected, StringComparison.Ordinal))
        {
            throw new InvalidOperationException(
                $"colo disk verify ended with {code}, expected {expectedCode} and '{expected}': {output}");
        }
    }

    private async Task<(int Code, string Output)> OrderAsync(Func<NodeProcess> host, params string[] arguments)
    {
        DateTimeOffset limit = DateTimeOffset.UtcNow + LabScenario.StepLimit;
        while (true)
        {
            await scenario.PairedAsync().ConfigureAwait(false);
            (int code, string output) = await LabCluster.RunAsync(host().Name, Environment.ProcessPath!, arguments)
                .ConfigureAwait(false);
            bool lost = output.Contains("not compared to the end", StringComparison.Ordinal);
            if ((code != ExitCode.Refused && !lost) || DateTimeOffset.UtcNow > limit)
            {
                return (code, output);
            }

            await Task.Delay(Again).ConfigureAwait(false);
        }
    }

    private static void Flip(string path, long at)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        file.Position = at;
        int value = file.ReadByte();
        file.Position = at;
        file.WriteByte((byte)(value ^ 1));
    }
}
