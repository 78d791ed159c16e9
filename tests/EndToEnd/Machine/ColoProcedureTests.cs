using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Colo.Vmm.Qemu;

namespace Colo.EndToEnd.Machine;

/// <summary>
/// The test procedure of QEMU's COLO documentation on <c>colo vm run</c> processes with no cluster, command by command:
/// start, protect, secondary lost, replication resumed, primary lost, replication resumed. Only paths, addresses and
/// the machine's own options are adapted: a Debian guest, raw images, and one buffer file in place of the active and
/// the hidden disk. A client downloads from the guest all the time over one connection.
/// </summary>
[Trait("Category", "e2e")]
[Trait("Group", "guest")]
public sealed class ColoProcedureTests : IDisposable
{
    private const int DiskBytes = 8 << 20;
    private const int BlockBytes = 4096;
    private const int DownloadBytes = 1_500_000;
    private const int PartBytes = 75_000;
    private const string DriveAdd = "drive_add -n buddy driver=replication,mode=primary,file.driver=nbd,"
        + "file.host=127.0.0.2,file.port=9999,file.export=parent0,node-name=replication0";

    private static readonly string[] s_counters =
        ["x-primary-frames", "x-secondary-frames", "x-matched", "x-committed", "x-mismatches", "x-timeouts", "x-waiting"];

    private readonly string _folder = Directory.CreateTempSubdirectory("colo-procedure-").FullName;
    private readonly PairNetwork _network = new();
    private readonly List<VmProcess> _machines = [];

    public void Dispose()
    {
        _network.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Whole_procedure_of_the_documentation_keeps_the_connection_and_the_disk()
    {
        try
        {
            await RunAsync();
        }
        catch (SocketException gone)
        {
            Assert.Fail($"{gone.Message}\n{await DescribeAsync()}");
        }
        finally
        {
            foreach (VmProcess machine in _machines)
            {
                await machine.DisposeAsync();
            }
        }
    }

    private async Task RunAsync()
    {
        byte[] image = new byte[DiskBytes];
        new Random(5).NextBytes(image);
        File.WriteAllBytes(Image("primary"), image);
        File.WriteAllBytes(Image("secondary"), image);

        // Startup 1 to 4.
        VmProcess first = StartPrimary("primary", PairNetwork.FirstTap);
        VmProcess second = StartSecondary("secondary", PairNetwork.SecondTap);
        await PrepareSecondaryAsync(second);
        await AttachDiskAsync(first);
        await ProtectAsync(first, second);
        first.Console.WaitFor("login:", DebianGuest.BootLimit);
        first.Type("root\n");
        first.Console.WaitFor("~ # ", DebianGuest.BootLimit);
        using SteadyDownload download = _network.Namespace.Run(() => new SteadyDownload(DownloadBytes, VmProcess.Hang));
        WriteBlock(first, image, 1);
        download.Read(PartBytes);

        await ReadUntilMatchedAsync(first, download);
        second.Kill();
        await SecondaryLostAsync(first);
        download.Read(PartBytes);
        WriteBlock(first, image, 2);

        File.WriteAllBytes(Image("third"), new byte[DiskBytes]);
        VmProcess third = StartSecondary("third", PairNetwork.SecondTap);
        await PrepareSecondaryAsync(third);
        await ResumeAsync(first, third, "");
        WriteBlock(first, image, 3);
        download.Read(PartBytes);

        await ReadUntilMatchedAsync(first, download);
        third.WaitForEvent("RESUME", third.CountEvents("RESUME") + 2);
        first.Kill();
        await PrimaryLostAsync(third);
        download.Read(PartBytes);
        WriteBlock(third, image, 4);

        File.WriteAllBytes(Image("fourth"), new byte[DiskBytes]);
        VmProcess fourth = StartSecondary("fourth", PairNetwork.FirstTap);
        await PrepareSecondaryAsync(fourth);
        await ResumeAsync(third, fourth, "\"insert\": \"before\", \"position\": \"id=rew0\", ");
        WriteBlock(third, image, 5);
        download.Read(PartBytes);

        await ReadUntilMatchedAsync(third, download);
        // A connection of before is translated by the rewriters of both now; it outlives the second primary as well.
        fourth.WaitForEvent("RESUME", fourth.CountEvents("RESUME") + 2);
        third.Kill();
        await PrimaryLostAsync(fourth);
        WriteBlock(fourth, image, 6);
        download.Finish();
        await fourth.ExecuteAsync("quit");
        await fourth.EndsWithAsync(0);
        Assert.True(
            image.AsSpan().SequenceEqual(File.ReadAllBytes(Image("fourth"))), "the last survivor's disk differs");
    }

    /// <summary>Where the connection and its frames stand.</summary>
    private async Task<string> DescribeAsync()
    {
        var text = new StringBuilder(_network.Namespace.Run(() => NetworkNamespace.Execute("/usr/bin/ss", "-tino")));
        foreach (VmProcess machine in _machines.Where(machine => !machine.HasExited))
        {
            string status = (await machine.ExecuteAsync("query-colo-status")).GetRawText();
            text.Append($"\n{machine.Name}: {status}, COLO_EXIT {machine.CountEvents("COLO_EXIT")}; it said: {machine.Errors}");
            text.Append($"\n  {(await machine.ExecuteAsync("query-status")).GetRawText()}");
            foreach ((string path, string name) in s_counters.Select(name => ("comp0", name))
                .Concat([("rew0", "x-connections"), ("rew0", "x-rewritten"), ("m0", "x-lost"), ("f2", "x-lost")]))
            {
                try
                {
                    text.Append($"\n  {path} {name} {(await AskAsync(machine, path, name)).GetRawText()}");
                }
                catch (QmpException)
                {
                    // It has no such part.
                }
            }
        }

        return text.ToString();
    }

    /// <summary>The two guests' answers are compared and found equal, and not only let go by checkpoints.</summary>
    private static async Task ReadUntilMatchedAsync(VmProcess primary, SteadyDownload download)
    {
        long matched = 0;
        for (int i = 0; i < 100 && matched == 0; i++)
        {
            download.Read(4096);
            matched = (await AskComparerAsync(primary, "x-matched")).GetInt64();
        }

        var shown = new JsonObject();
        foreach (string name in s_counters)
        {
            shown[name] = JsonNode.Parse((await AskComparerAsync(primary, name)).GetRawText());
        }

        Assert.True(matched > 0, $"no answer of the two guests was found equal: {shown.ToJsonString()}");
    }

    private static Task<JsonElement> AskComparerAsync(VmProcess primary, string property) =>
        AskAsync(primary, "comp0", property);

    private static Task<JsonElement> AskAsync(VmProcess vm, string part, string property) => vm.ExecuteAsync(
        "qom-get", new JsonObject { ["path"] = "/objects/" + part, ["property"] = property });

    private string Image(string name) => Path.Combine(_folder, name + ".raw");

    private static async Task<JsonElement> SayAsync(VmProcess vm, string command)
    {
        JsonNode parsed = JsonNode.Parse(command)!;
        return await vm.ExecuteAsync((string)parsed["execute"]!, parsed["arguments"]?.DeepClone().AsObject());
    }

    private VmProcess Start(string name, string tap, params string[] arguments)
    {
        var machine = new VmProcess(
            _network.Namespace, _folder, name,
            [
                "--guest", "debian", "--memory", "128M", "--append",
                $"console=ttyS0 quiet colo.ip={NetworkNamespace.GuestAddress}/24",
                "--nic", $"tap={tap},id=hn0,mac=52:54:00:77:00:02", .. arguments,
            ]);
        _machines.Add(machine);
        return machine;
    }

    private VmProcess StartPrimary(string name, string tap) => Start(
        name, tap,
        "--chardev", "socket,id=mirror0,host=0.0.0.0,port=9003,server=on,wait=off",
        "--chardev", "socket,id=compare1,host=0.0.0.0,port=9004,server=on,wait=on",
        "--chardev", "socket,id=compare0,host=127.0.0.1,port=9001,server=on,wait=off",
        "--chardev", "socket,id=compare0-0,host=127.0.0.1,port=9001",
        "--chardev", "socket,id=compare_out,host=127.0.0.1,port=9005,server=on,wait=off",
        "--chardev", "socket,id=compare_out0,host=127.0.0.1,port=9005",
        "--object", "filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=mirror0",
        "--object", "filter-redirector,netdev=hn0,id=redire0,queue=rx,indev=compare_out",
        "--object", "filter-redirector,netdev=hn0,id=redire1,queue=rx,outdev=compare0",
        "--object", "iothread,id=iothread1",
        "--object", "colo-compare,id=comp0,primary_in=compare0-0,secondary_in=compare1,outdev=compare_out0,"
            + "iothread=iothread1,compare_timeout=10000",
        "--disk", $"file={Image(name)},id=colo-disk0", "-S");

    private VmProcess StartSecondary(string name, string tap) => Start(
        name, tap,
        "--chardev", "socket,id=red0,host=127.0.0.1,port=9003,reconnect-ms=1000",
        "--chardev", "socket,id=red1,host=127.0.0.1,port=9004,reconnect-ms=1000",
        "--object", "filter-redirector,id=f1,netdev=hn0,queue=tx,indev=red0",
        "--object", "filter-redirector,id=f2,netdev=hn0,queue=rx,outdev=red1",
        "--object", "filter-rewriter,id=rew0,netdev=hn0,queue=all",
        "--disk", $"file={Image(name)},id=colo-disk0,node=parent0,replication=secondary,"
            + $"buffer={Path.Combine(_folder, name + ".buffer")}",
        "--incoming", "tcp:0.0.0.0:9998");

    private static async Task PrepareSecondaryAsync(VmProcess secondary)
    {
        await SayAsync(secondary, """
            {"execute": "migrate-set-capabilities", "arguments": {"capabilities": [ {"capability": "x-colo",
            "state": true } ] } }
            """);
        await SayAsync(secondary, """
            {"execute": "nbd-server-start", "arguments": {"addr": {"type": "inet", "data": {"host": "0.0.0.0",
            "port": "9999"} } } }
            """);
        await SayAsync(secondary, """
            {"execute": "nbd-server-add", "arguments": {"device": "parent0", "writable": true } }
            """);
    }

    private static async Task AttachDiskAsync(VmProcess primary)
    {
        JsonElement answer = await SayAsync(primary, $$"""
            {"execute": "human-monitor-command",
            "arguments": {"command-line": "{{DriveAdd}}" } }
            """);
        Assert.Equal("", answer.GetString());
        await SayAsync(primary, """
            {"execute": "x-blockdev-change", "arguments":{"parent": "colo-disk0", "node": "replication0" } }
            """);
    }

    private static async Task ProtectAsync(VmProcess primary, VmProcess secondary)
    {
        await SayAsync(primary, """
            {"execute": "migrate-set-capabilities", "arguments": {"capabilities": [ {"capability": "x-colo",
            "state": true } ] } }
            """);
        await SayAsync(primary, """
            {"execute": "migrate-set-parameters" , "arguments":{ "x-checkpoint-delay": 2000 } }
            """);
        int before = secondary.CountEvents("RESUME");
        await SayAsync(primary, """{"execute": "migrate", "arguments": {"uri": "tcp:127.0.0.2:9998" } }""");
        secondary.WaitForEvent("RESUME", before + 1);
        Assert.Equal("secondary", (await secondary.ExecuteAsync("query-colo-status")).GetProperty("mode").GetString());
        Assert.Equal("primary", (await primary.ExecuteAsync("query-colo-status")).GetProperty("mode").GetString());
    }

    /// <summary>"Primary Failover": the secondary died.</summary>
    private static async Task SecondaryLostAsync(VmProcess primary)
    {
        await SayAsync(primary, """
            {"execute": "x-blockdev-change", "arguments":{ "parent": "colo-disk0", "child": "children.1"} }
            """);
        JsonElement answer = await SayAsync(primary, """
            {"execute": "human-monitor-command", "arguments":{ "command-line": "drive_del replication0" } }
            """);
        Assert.Equal("", answer.GetString());
        foreach (string id in (string[])["comp0", "iothread1", "m0", "redire0", "redire1"])
        {
            await SayAsync(primary, $$"""{"execute": "object-del", "arguments":{ "id": "{{id}}" } }""");
        }

        await SayAsync(primary, """{"execute": "x-colo-lost-heartbeat" }""");
    }

    /// <summary>"Secondary Failover": the primary died; what follows makes the survivor ready to be one.</summary>
    private static async Task PrimaryLostAsync(VmProcess secondary)
    {
        await SayAsync(secondary, """{"execute": "nbd-server-stop"}""");
        await SayAsync(secondary, """{"execute": "x-colo-lost-heartbeat"}""");
        await SayAsync(secondary, """{"execute": "object-del", "arguments":{ "id": "f2" } }""");
        await SayAsync(secondary, """{"execute": "object-del", "arguments":{ "id": "f1" } }""");
        await SayAsync(secondary, """{"execute": "chardev-remove", "arguments":{ "id": "red1" } }""");
        await SayAsync(secondary, """{"execute": "chardev-remove", "arguments":{ "id": "red0" } }""");
        (string Id, string Host, int Port, bool Server)[] sockets =
        [
            ("mirror0", "0.0.0.0", 9003, true), ("compare1", "0.0.0.0", 9004, true),
            ("compare0", "127.0.0.1", 9001, true), ("compare0-0", "127.0.0.1", 9001, false),
            ("compare_out", "127.0.0.1", 9005, true), ("compare_out0", "127.0.0.1", 9005, false),
        ];
        foreach ((string id, string host, int port, bool server) in sockets)
        {
            await SayAsync(secondary, $$$"""
                {"execute": "chardev-add", "arguments":{ "id": "{{{id}}}", "backend": {"type": "socket",
                "data": {"addr": { "type": "inet", "data": { "host": "{{{host}}}", "port": "{{{port}}}" } },
                "server": {{{(server ? "true" : "false")}}} } } } }
                """);
        }
    }

    /// <summary>"Primary resume replication" and "Secondary resume replication": they differ in the filters'
    /// place.</summary>
    private static async Task ResumeAsync(VmProcess primary, VmProcess secondary, string place)
    {
        int ready = primary.CountEvents("BLOCK_JOB_READY");
        await SayAsync(primary, """
            {"execute": "drive-mirror", "arguments":{ "device": "colo-disk0", "job-id": "resync",
            "target": "nbd://127.0.0.2:9999/parent0", "mode": "existing", "format": "raw", "sync": "full"} }
            """);
        primary.WaitForEvent("BLOCK_JOB_READY", ready + 1);
        await SayAsync(primary, """{"execute": "stop"}""");
        await SayAsync(primary, """{"execute": "block-job-cancel", "arguments":{ "device": "resync"} }""");
        primary.WaitForEvent("BLOCK_JOB_COMPLETED", ready + 1);
        await AttachDiskAsync(primary);
        await SayAsync(primary, $$"""
            {"execute": "object-add", "arguments":{ "qom-type": "filter-mirror", "id": "m0",
            {{place}}"netdev": "hn0", "queue": "tx", "outdev": "mirror0" } }
            """);
        await SayAsync(primary, $$"""
            {"execute": "object-add", "arguments":{ "qom-type": "filter-redirector", "id": "redire0",
            {{place}}"netdev": "hn0", "queue": "rx", "indev": "compare_out" } }
            """);
        await SayAsync(primary, $$"""
            {"execute": "object-add", "arguments":{ "qom-type": "filter-redirector", "id": "redire1",
            {{place}}"netdev": "hn0", "queue": "rx", "outdev": "compare0" } }
            """);
        await SayAsync(primary, """
            {"execute": "object-add", "arguments":{ "qom-type": "iothread", "id": "iothread1" } }
            """);
        await SayAsync(primary, """
            {"execute": "object-add", "arguments":{ "qom-type": "colo-compare", "id": "comp0",
            "primary_in": "compare0-0", "secondary_in": "compare1", "outdev": "compare_out0",
            "iothread": "iothread1", "compare_timeout": 10000 } }
            """);
        await ProtectAsync(primary, secondary);
    }

    /// <summary>Has the guest write a block of its disk and waits until it says that the block is there.</summary>
    private static void WriteBlock(VmProcess vm, byte[] image, int number)
    {
        byte content = (byte)('a' + number);
        image.AsSpan(number * 100 * BlockBytes, BlockBytes).Fill(content);
        string write = $"dd of=/dev/vda bs={BlockBytes} seek={number * 100} conv=notrunc,fsync 2>/dev/null";
        vm.Type($"head -c {BlockBytes} /dev/zero | tr '\\0' '{(char)content}' | {write} && ");
        vm.Type($"echo block $((1000+{number})) written\n");
        vm.Console.WaitFor($"block {1000 + number} written", VmProcess.Hang);
    }
}
