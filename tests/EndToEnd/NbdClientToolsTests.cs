using System.Diagnostics;
using Colo.Vmm.Block;
using Colo.Vmm.Block.Nbd;

namespace Colo.EndToEnd;

/// <summary>Our NBD client against the servers that Debian ships.</summary>
[Trait("Category", "e2e")]
public sealed class NbdClientToolsTests : IDisposable
{
    private const int Size = 16 << 20;
    private readonly string _folder = Directory.CreateTempSubdirectory("colo-nbd-").FullName;
    private readonly byte[] _content = new byte[Size];

    public NbdClientToolsTests()
    {
        new Random(1).NextBytes(_content.AsSpan(0, Size / 2));
        File.WriteAllBytes(At("disk.raw"), _content);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public Task Qemu_nbd_serves_us() => UseAsync(
        "qemu-utils", "qemu-nbd", ["-k", At("socket"), "-x", "disk", "-f", "raw", "--discard=unmap", At("disk.raw")], "disk");

    // Below a shell: nbdkit asks the kernel to be ended with the thread that started it (PR_SET_PDEATHSIG), and one
    // of the test host's pool may end at any time.
    [Fact]
    public Task Nbdkit_serves_us() => UseAsync(
        "nbdkit", "sh", ["-c", $"nbdkit -f -U {At("socket")} file {At("disk.raw")}; true"], "");

    [Fact]
    public Task Nbdkit_without_structured_replies_and_zeroes_serves_us() => UseAsync(
        "nbdkit", "sh", ["-c", $"nbdkit -f --no-sr -U {At("socket")} --filter=nozero file {At("disk.raw")}; true"], "");

    private async Task UseAsync(string package, string tool, string[] arguments, string export)
    {
        using var server = NbdTool.Start(package, tool, arguments);
        try
        {
            using (var client = NbdClient.Open(
                $"nbd+unix:///{export}?socket={At("socket")}",
                new NbdClientOptions { OpenTimeout = TimeSpan.FromMinutes(2), RetryInterval = TimeSpan.FromMilliseconds(50) }))
            {
                Assert.Equal(Size, client.SizeBytes);
                await CheckAsync(client);
                var random = new Random(9);
                var tasks = new List<Task<BlockStatus>>();
                for (var i = 0; i < 64; i++)
                {
                    var part = _content.AsMemory(i * (Size / 64), random.Next(1, 500) * 512);
                    random.NextBytes(part.Span);
                    tasks.Add(client.WriteAsync(i * (Size / 64), part, forceUnitAccess: i % 7 == 0).AsTask());
                }

                Assert.All(await Task.WhenAll(tasks), status => Assert.Equal(BlockStatus.Ok, status));
                Assert.Equal(BlockStatus.Ok, await client.WriteZeroesAsync(1 << 20, 300 * 1024, mayUnmap: true));
                _content.AsSpan(1 << 20, 300 * 1024).Clear();
                Assert.Equal(BlockStatus.Ok, await client.DiscardAsync(2 << 20, 64 * 1024));
                Assert.Equal(BlockStatus.Ok, await client.WriteAsync(2 << 20, _content.AsMemory(2 << 20, 64 * 1024)));
                Assert.Equal(BlockStatus.Ok, await client.FlushAsync());
                await CheckAsync(client);
            }

            Assert.True(File.ReadAllBytes(At("disk.raw")).AsSpan().SequenceEqual(_content));
        }
        finally
        {
            Stop(server);
        }
    }

    private async Task CheckAsync(NbdClient client)
    {
        var all = new byte[Size];
        var status = await client.ReadAsync(0, all);
        Assert.True(status == BlockStatus.Ok, $"{status}: {client.LossReason}");
        Assert.True(all.AsSpan().SequenceEqual(_content));
    }

    private static void Stop(Process server)
    {
        if (!server.HasExited)
        {
            server.Kill(entireProcessTree: true);
            server.WaitForExit();
        }
    }

    private string At(string name) => Path.Combine(_folder, name);
}
