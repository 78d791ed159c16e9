using System.Text.Json.Nodes;
using Colo.Vmm.Block;
using Colo.Vmm.Qmp.Replication;

namespace Colo.Vmm.Tests.Qmp;

/// <summary>Two machines' disks by the monitor's commands: copied, forwarded, taken back, merged.</summary>
public sealed class PartsDiskTests : IDisposable
{
    private const int Size = 4 << 20;
    private const string DriveAdd = "drive_add -n buddy driver=replication,mode=primary,file.driver=nbd,"
        + "file.export=parent0,node-name=replication0";

    private readonly string _folder = Directory.CreateTempSubdirectory("colo-parts").FullName;
    private readonly PartsRig _primary;
    private readonly PartsRig _secondary;
    private readonly IBlockDevice _disk;
    private readonly IBlockDevice _replica;
    private readonly byte[] _content = new byte[Size];

    public PartsDiskTests()
    {
        _primary = new PartsRig(_folder);
        _secondary = new PartsRig(_folder);
        new Random(1).NextBytes(_content);
        File.WriteAllBytes(Image("primary"), _content);
        File.WriteAllBytes(Image("secondary"), new byte[Size]);
        _disk = _primary.Parts.AddDisk("colo-disk0", null, new RawFileDevice(Image("primary")));
        _replica = _secondary.Parts.AddSecondaryDisk(
            "colo-disk0", "parent0", Image("secondary"), Image("buffer"), memoryBytes: 1 << 20);
        _secondary.Say($$$"""
            {"execute": "nbd-server-start", "arguments": {"addr": {"type": "unix",
            "data": {"path": "{{{_folder}}}/nbd" } } } }
            """);
        _secondary.Say("""{"execute": "nbd-server-add", "arguments": {"device": "parent0", "writable": true}}""");
    }

    public void Dispose()
    {
        _primary.Dispose();
        _secondary.Dispose();
        _disk.Dispose();
        _replica.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Mirror_copies_the_disk_and_what_changes_meanwhile()
    {
        StartMirror();
        Assert.Equal("resync", (string)_primary.WaitForEvent("BLOCK_JOB_READY")["data"]!["device"]!);
        Write(_disk, 512 * 1024, 0x22);
        JsonNode job = Assert.Single(_primary.Say("""{"execute": "query-block-jobs"}""").AsArray())!;
        Assert.True((bool)job["ready"]!);
        _primary.Say("""{"execute": "block-job-cancel", "arguments": {"device": "resync"}}""");
        JsonNode over = _primary.WaitForEvent("BLOCK_JOB_COMPLETED")["data"]!;
        Assert.Null(over["error"]);
        Assert.Empty(_primary.Say("""{"execute": "query-block-jobs"}""").AsArray());
        _secondary.Say("""{"execute": "nbd-server-stop"}""");
        Assert.True(File.ReadAllBytes(Image("secondary")).AsSpan().SequenceEqual(_content));
    }

    [Fact]
    public void Replica_sees_the_last_checkpoint_and_a_takeover_undoes_what_came_after_it()
    {
        Attach();
        Begin();
        Write(_disk, 0, 0x33);
        Assert.Equal(0x33, Read(_disk, 0));
        Write(_disk, Size / 2, 0x44);
        byte[] before = Copy(_replica);
        Assert.NotEqual(0x33, before[0]);
        Checkpoint(2);
        Assert.Equal(0x33, Read(_replica, 0));
        Assert.Equal(0x44, Read(_replica, Size / 2));
        // The secondary's own writes count, the primary's after the checkpoint do not.
        Write(_disk, 4096, 0x55);
        byte[] atCheckpoint = Copy(_replica);
        Wait(_replica.WriteAsync(8192, Filled(0x66)));
        Filled(0x66).CopyTo(atCheckpoint.AsMemory(8192));
        _secondary.Say("""{"execute": "nbd-server-stop"}""");
        Assert.Null(_secondary.Hooks.End(ReplicationRole.Secondary));
        Wait(_replica.FlushAsync());
        Assert.True(Copy(_replica).AsSpan().SequenceEqual(atCheckpoint));
        Assert.True(File.ReadAllBytes(Image("secondary")).AsSpan().SequenceEqual(atCheckpoint));
    }

    [Fact]
    public void Child_that_lost_a_change_keeps_the_machine_from_a_checkpoint_until_it_is_removed()
    {
        Attach();
        Begin();
        (_, Action yank) = _primary.Parts.Yankables().Single(y => (string?)y.Instance["node-name"] == "replication0");
        yank();
        Write(_disk, 0, 0x77);
        Assert.Equal("replication0", (string)_primary.WaitForEvent("QUORUM_REPORT_BAD")["data"]!["node-name"]!);
        Assert.Contains("children.1", _primary.Hooks.Each(part => part.Check()));
        Assert.Contains("in use", _primary.Refuse("""
            {"execute": "blockdev-del", "arguments": {"node-name": "replication0"}}
            """).Description);
        _primary.Say("""
            {"execute": "x-blockdev-change", "arguments": {"parent": "colo-disk0", "child": "children.1"}}
            """);
        _primary.Say("""{"execute": "blockdev-del", "arguments": {"node-name": "replication0"}}""");
        Assert.Null(_primary.Hooks.Each(part => part.Check()));
        Assert.Equal(0x77, Read(_disk, 0));
    }

    [Fact]
    public void Mirror_whose_target_goes_away_ends_with_an_error_and_the_guest_goes_on()
    {
        StartMirror();
        _primary.WaitForEvent("BLOCK_JOB_READY");
        _secondary.Say("""{"execute": "nbd-server-stop"}""");
        Write(_disk, 0, 0x11);
        Assert.NotNull(_primary.WaitForEvent("BLOCK_JOB_COMPLETED")["data"]!["error"]);
        Assert.Equal(0x11, Read(_disk, 0));
    }

    [Fact]
    public void Writable_export_of_a_disk_that_a_guest_has_is_refused()
    {
        _primary.Say($$$"""
            {"execute": "nbd-server-start", "arguments": {"addr": {"type": "unix",
            "data": {"path": "{{{_folder}}}/own" } } } }
            """);
        Assert.Contains("Conflicts", _primary.Refuse("""
            {"execute": "nbd-server-add", "arguments": {"device": "colo-disk0", "writable": true}}
            """).Description);
        _primary.Say("""
            {"execute": "block-export-add", "arguments": {"type": "nbd", "id": "e0", "node-name": "colo-disk0"}}
            """);
        Assert.Equal("e0", (string)_primary.Say("""{"execute": "query-block-exports"}""").AsArray().Single()!["id"]!);
        _primary.Say("""{"execute": "block-export-del", "arguments": {"id": "e0"}}""");
    }

    private static Memory<byte> Filled(byte value)
    {
        var data = new byte[4096];
        Array.Fill(data, value);
        return data;
    }

    private static void Wait(ValueTask<BlockStatus> request) =>
        Assert.Equal(BlockStatus.Ok, request.AsTask().WaitAsync(PartsRig.Hang).GetAwaiter().GetResult());

    private static byte Read(IBlockDevice disk, long offset)
    {
        var sector = new byte[512];
        Wait(disk.ReadAsync(offset, sector));
        return sector[0];
    }

    private static byte[] Copy(IBlockDevice disk)
    {
        var all = new byte[Size];
        Wait(disk.ReadAsync(0, all));
        return all;
    }

    private string Image(string name) => Path.Combine(_folder, name);

    private void Write(IBlockDevice disk, int offset, byte value)
    {
        Wait(disk.WriteAsync(offset, Filled(value)));
        _content.AsSpan(offset, 4096).Fill(value);
    }

    private void StartMirror() => _primary.Say($$$"""
        {"execute": "drive-mirror", "arguments": {"device": "colo-disk0", "job-id": "resync",
        "target": "nbd+unix:///parent0?socket={{{_folder}}}/nbd", "mode": "existing", "format": "raw",
        "sync": "full"}}
        """);

    private void Attach()
    {
        StartMirror();
        _primary.WaitForEvent("BLOCK_JOB_READY");
        _primary.Say("""{"execute": "block-job-cancel", "arguments": {"device": "resync"}}""");
        Assert.Equal("", (string)_primary.Say($$$"""
            {"execute": "human-monitor-command",
            "arguments": {"command-line": "{{{DriveAdd}}},file.path={{{_folder}}}/nbd"}}
            """)!);
        _primary.Say("""
            {"execute": "x-blockdev-change", "arguments": {"parent": "colo-disk0", "node": "replication0"}}
            """);
    }

    /// <summary>COLO begins on both, by the first checkpoint.</summary>
    private void Begin()
    {
        Assert.Null(_primary.Hooks.Begin(ReplicationRole.Primary));
        Assert.Null(_secondary.Hooks.Each(part => part.Closing(1)));
        Assert.Null(_secondary.Hooks.Begin(ReplicationRole.Secondary));
        Assert.Null(_secondary.Hooks.Each(part => part.Loaded(1)));
    }

    private void Checkpoint(ulong epoch)
    {
        Assert.Null(_primary.Hooks.Each(part => part.Check()));
        Assert.Null(_secondary.Hooks.Each(part => part.Closing(epoch)));
        _primary.Hooks.All(part => part.Committed());
        Assert.Null(_secondary.Hooks.Each(part => part.Loaded(epoch)));
    }
}
