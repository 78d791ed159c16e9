using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Colo.Actors.Protocol;
using Colo.Host.Tests.Style;

namespace Colo.Host.Tests.Cluster;

/// <summary>
/// A pair of nodes of this process with real machines: guests/baremetal/disk.c, which writes a replicated disk for
/// ever, reads back what it writes, and says on its console how far it is and what went wrong.
/// </summary>
internal sealed class RealPair : IAsyncDisposable
{
    /// <summary>What the guest writes one page at a time.</summary>
    public const int PageBytes = 4096;

    /// <summary>A hang, not a slow machine.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(90);

    private static readonly Lazy<byte[]> Kernel = new(Build);

    private readonly Dictionary<LoopbackNode, int> marks = [];

    /// <param name="keys">More keys of the VM.</param>
    /// <param name="diskBytes">Size of the disk.</param>
    /// <param name="prepare">Sees each host before it is started.</param>
    public RealPair(string keys, int diskBytes, Action<LoopbackNode>? prepare = null)
    {
        byte[] content = new byte[diskBytes];
        content.AsSpan().Fill(0x55); // no holes: what is written over must be kept
        Cluster = new LoopbackCluster(
            ["node-a", "node-b"],
            "web { kernel = \"KERNEL\", memory = 16MiB, nodes = [node-a, node-b], "
                + $"disks = [{{ path = \"STATE.disk\" }}], {keys} }}\n",
            $"drills {{ allowed = on }}, {LoopbackCluster.AsksOften}", Kernel.Value);
        foreach (LoopbackNode node in Hosts)
        {
            node.IsEmbedded = true;
            File.WriteAllBytes(DiskOf(node), content);
            prepare?.Invoke(node);
        }
    }

    public LoopbackCluster Cluster { get; }

    public IReadOnlyList<LoopbackNode> Hosts => [Cluster["node-a"], Cluster["node-b"]];

    public async Task StartAsync()
    {
        await Cluster.StartAsync();
        await WholeAsync(0, 0);
    }

    public string DiskOf(LoopbackNode node) => Cluster.StateOf(node.Name) + ".disk";

    public LoopbackNode Other(LoopbackNode node) => Hosts.Single(host => host != node);

    /// <summary>What the guests print from now on is looked at by <see cref="AssertEqualAsync"/>.</summary>
    public void Begin()
    {
        foreach (LoopbackNode node in Hosts)
        {
            marks[node] = Console(node).Length;
        }
    }

    /// <summary>The host whose guest the clients have, when the pair is whole.</summary>
    public async Task<LoopbackNode> PrimaryAsync()
    {
        await Hosts[0].WhenAsync("/vms/web", IsProtected);
        JsonElement page = await Hosts[1].WhenAsync("/vms/web", IsProtected);
        return Hosts[page.GetProperty("role").GetString() == "Primary" ? 1 : 0];
    }

    /// <summary>Waits until both hosts say that they are a pair, since these events.</summary>
    public async Task WholeAsync(long afterA, long afterB)
    {
        await Hosts[0].WhenAsync("web", EventCode.PairEstablished, afterA);
        await Hosts[1].WhenAsync("web", EventCode.PairEstablished, afterB);
    }

    public static string Console(LoopbackNode node) =>
        Encoding.ASCII.GetString(node.Runtime.Find("web")!.Console.Tail());

    /// <summary>How many pages the guest on a host says it has written.</summary>
    public static long Count(LoopbackNode node)
    {
        string? last = Console(node).Split('\n')[..^1]
            .LastOrDefault(line => line.Length == 16 && line.All(char.IsAsciiHexDigit));
        return last is null ? 0 : long.Parse(last, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
    }

    /// <summary>Waits until the guest on a host has gone on.</summary>
    public static async Task GoesOnAsync(LoopbackNode node)
    {
        long before = Count(node);
        await PrintsAsync(node, $"a count above {before:x}", () => Count(node) > before);
    }

    /// <summary>Lets the guest write 512 KiB at once.</summary>
    public static Task WriteAsync(LoopbackNode node) => TypeAsync(node, "w", "DONE");

    /// <summary>Types something and waits until the guest answers.</summary>
    public static async Task TypeAsync(LoopbackNode node, string keys, string answer)
    {
        int from = Console(node).Length;
        node.Runtime.Find("web")!.Console.Type(Encoding.ASCII.GetBytes(keys));
        await PrintsAsync(node, answer, () => Console(node)[from..].Contains(answer, StringComparison.Ordinal));
    }

    /// <summary>The pair is whole, the disks are compared while the guest runs, and the guest of the owner has seen
    /// nothing wrong.</summary>
    public async Task AssertEqualAsync(LoopbackNode owner)
    {
        Assert.Same(owner, await PrimaryAsync());
        long before = owner.Runtime.Events.LastId;
        HttpResponseMessage answer = await owner.Http.PostAsync("/vms/web/disks/verify", null);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        await owner.WhenAsync("web", EventCode.VerifyEqual, before);
        string printed = Console(owner)[marks.GetValueOrDefault(owner)..];
        Assert.DoesNotContain("BAD", printed, StringComparison.Ordinal);
        Assert.DoesNotContain("ERR", printed, StringComparison.Ordinal);
        await GoesOnAsync(owner);
    }

    public ValueTask DisposeAsync() => Cluster.DisposeAsync();

    private static async Task PrintsAsync(LoopbackNode node, string what, Func<bool> said)
    {
        using var late = new CancellationTokenSource(Hang);
        try
        {
            await foreach (byte[] output in node.Runtime.Find("web")!.Console.Follow(late.Token))
            {
                if (said())
                {
                    return;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Said below.
        }

        throw new TimeoutException(
            $"{node.Name}'s guest does not say {what}: {Console(node)}\n{string.Join('\n', node.Lines)}");
    }

    private static bool IsProtected(JsonElement page) => page.GetProperty("protection").GetString() == "Protected";

    private static byte[] Build()
    {
        string folder = Path.Combine(SourceTree.Root, "guests");
        string elf = Path.Combine(Path.GetTempPath(), $"colo-{Guid.NewGuid():N}.elf");
        using Process compiler = Process.Start(new ProcessStartInfo(
            "riscv64-linux-gnu-gcc",
            [
                "-O2", "-nostdlib", "-static", "-ffreestanding", "-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany",
                "-fno-pic", "-no-pie", "-fno-tree-loop-distribute-patterns", "-Wl,--build-id=none", "-T",
                Path.Combine(folder, "baremetal", "link.ld"), Path.Combine(folder, "baremetal", "disk.c"), "-o", elf,
            ])
        { RedirectStandardError = true })!;
        string errors = compiler.StandardError.ReadToEnd();
        compiler.WaitForExit();
        Assert.True(compiler.ExitCode == 0, errors);
        byte[] kernel = File.ReadAllBytes(elf);
        File.Delete(elf);
        return kernel;
    }
}
