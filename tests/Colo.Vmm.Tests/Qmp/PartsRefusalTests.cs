using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Colo.Vmm.Block;
using Colo.Vmm.Qmp;

namespace Colo.Vmm.Tests.Qmp;

/// <summary>What the monitor's COLO commands say to what they cannot do, and to nonsense.</summary>
public sealed class PartsRefusalTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("colo-parts").FullName;
    private readonly PartsRig _rig;
    private readonly IBlockDevice _disk;

    public PartsRefusalTests()
    {
        _rig = new PartsRig(_folder);
        _disk = _rig.Parts.AddDisk("colo-disk0", null, new MemoryDevice(1 << 20));
        _rig.WireSecondary();
        _rig.Parts.AddObject("iothread,id=io");
    }

    public void Dispose()
    {
        _rig.Dispose();
        _disk.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData("chardev-add", """{"id": "x"}""", QmpErrorClass.GenericError, "Parameter 'backend' is missing")]
    [InlineData("chardev-add", """
        {"id": 7, "backend": {}}
        """, QmpErrorClass.GenericError, "Invalid parameter type for 'id', expected: string")]
    [InlineData("chardev-add", """
        {"id": "x", "backend": {"type": "pty", "data": {}}}
        """, QmpErrorClass.GenericError, "does not accept value 'pty', expected socket")]
    [InlineData("chardev-add", """
        {"id": "red0", "backend": {"type": "socket", "data": {"addr": {"type": "unix",
        "data": {"path": "FOLDER/red9"}}}}}
        """, QmpErrorClass.GenericError, "Chardev with id 'red0' already exists")]
    [InlineData("chardev-add", """
        {"id": "x", "backend": {"type": "socket", "data": {"server": false, "addr": {"type": "unix",
        "data": {"path": "FOLDER/nobody"}}}}}
        """, QmpErrorClass.GenericError, "Failed to connect")]
    [InlineData("chardev-add", """
        {"id": "x", "backend": {"type": "socket", "data": {"addr": {"type": "inet", "data": {"host": "h",
        "port": "99999"}}}}}
        """, QmpErrorClass.GenericError, "'port' is '99999', expected 0 to 65535")]
    [InlineData("chardev-add", """
        {"id": "x", "backend": {"type": "socket", "data": {"server": true, "reconnect": 1,
        "addr": {"type": "unix", "data": {"path": "p"}}}}}
        """, QmpErrorClass.GenericError, "incompatible with server sockets")]
    [InlineData("chardev-remove", """{"id": "nobody"}""", QmpErrorClass.GenericError, "Chardev 'nobody' not found")]
    [InlineData("chardev-remove", """{"id": "red0"}""", QmpErrorClass.GenericError, "Chardev 'red0' is busy")]
    [InlineData("object-add", """
        {"qom-type": "filter-mirror", "id": "m", "netdev": "hn7", "outdev": "red0"}
        """, QmpErrorClass.GenericError, "'netdev' is 'hn7', expected a network backend id: hn0")]
    [InlineData("object-add", """
        {"qom-type": "filter-mirror", "id": "m", "netdev": "hn0", "outdev": "nobody"}
        """, QmpErrorClass.DeviceNotFound, "Device 'nobody' not found")]
    [InlineData("object-add", """
        {"qom-type": "filter-mirror", "id": "m", "netdev": "hn0", "outdev": "red0"}
        """, QmpErrorClass.GenericError, "Device 'red0' is in use by 'f1'")]
    [InlineData("object-add", """
        {"qom-type": "filter-mirror", "id": "f1", "netdev": "hn0", "outdev": "red0"}
        """, QmpErrorClass.GenericError, "attempt to add duplicate property 'f1'")]
    [InlineData("object-add", """
        {"qom-type": "filter-drop", "id": "d", "netdev": "hn0"}
        """, QmpErrorClass.GenericError, "'qom-type' does not accept value 'filter-drop'")]
    [InlineData("object-add", """
        {"qom-type": "filter-rewriter", "id": "r", "netdev": "hn0", "queue": "both"}
        """, QmpErrorClass.GenericError, "'queue' does not accept value 'both'")]
    [InlineData("object-add", """
        {"qom-type": "filter-rewriter", "id": "r", "netdev": "hn0", "position": "id=nobody"}
        """, QmpErrorClass.GenericError, "filter 'nobody' not found")]
    [InlineData("object-add", """
        {"qom-type": "filter-rewriter", "id": "r", "netdev": "hn0", "colour": 1}
        """, QmpErrorClass.GenericError, "Parameter 'colour' is unexpected")]
    [InlineData("object-add", """
        {"qom-type": "colo-compare", "id": "c", "primary_in": "red0", "secondary_in": "red0", "outdev": "red1",
        "iothread": "t"}
        """, QmpErrorClass.GenericError, "three different chardevs")]
    [InlineData("object-add", """
        {"qom-type": "colo-compare", "id": "c", "primary_in": "a", "secondary_in": "b", "outdev": "c",
        "iothread": "t"}
        """, QmpErrorClass.DeviceNotFound, "'t' not found, expected the id of an iothread")]
    [InlineData("object-del", """{"id": "nobody"}""", QmpErrorClass.GenericError, "object 'nobody' not found")]
    [InlineData("qom-get", """
        {"path": "/objects/f1", "property": "colour"}
        """, QmpErrorClass.GenericError, "'filter-redirector.colour' not found")]
    [InlineData("qom-get", """
        {"path": "/machine", "property": "type"}
        """, QmpErrorClass.DeviceNotFound, "'/machine' not found")]
    [InlineData("qom-set", """
        {"path": "/objects/f1", "property": "status", "value": 1}
        """, QmpErrorClass.GenericError, "expected: string")]
    [InlineData("nbd-server-add", """{"device": "colo-disk0"}""", QmpErrorClass.GenericError, "NBD server not running")]
    [InlineData("nbd-server-add", """
        {"device": "nobody"}
        """, QmpErrorClass.GenericError, "Cannot find device='nobody' nor node-name='nobody'")]
    [InlineData("nbd-server-stop", "{}", QmpErrorClass.GenericError, "NBD server not running")]
    [InlineData("blockdev-add", """
        {"driver": "nbd", "node-name": "n", "server": {"type": "unix", "path": "FOLDER/nobody"}}
        """, QmpErrorClass.GenericError, "Failed to connect")]
    [InlineData("blockdev-add", """
        {"driver": "qcow2", "node-name": "n"}
        """, QmpErrorClass.GenericError, "'driver' does not accept value 'qcow2'")]
    [InlineData("blockdev-del", """
        {"node-name": "nobody"}
        """, QmpErrorClass.GenericError, "Failed to find node with node-name='nobody'")]
    [InlineData("x-blockdev-change", """
        {"parent": "nobody", "node": "n"}
        """, QmpErrorClass.GenericError, "Cannot find device='nobody'")]
    [InlineData("x-blockdev-change", """
        {"parent": "colo-disk0", "child": "children.1"}
        """, QmpErrorClass.GenericError, "does not have child 'children.1', expected one of children.0")]
    [InlineData("x-blockdev-change", """
        {"parent": "colo-disk0", "child": "children.0"}
        """, QmpErrorClass.GenericError, "vote threshold")]
    [InlineData("drive-mirror", """
        {"device": "colo-disk0", "target": "/tmp/x", "sync": "full"}
        """, QmpErrorClass.GenericError, "expected nbd://")]
    [InlineData("block-job-cancel", """
        {"device": "resync"}
        """, QmpErrorClass.DeviceNotActive, "Block job 'resync' not found")]
    [InlineData("chardev-add", """
        {"id": "x", "backend": {"type": "socket", "data": {"addr": {"type": "unix", "data": {"path": "FOLDER"}}}}}
        """, QmpErrorClass.GenericError, "FOLDER' is a directory, expected the path of a socket")]
    [InlineData("nbd-server-start", """
        {"addr": {"type": "unix", "data": {"path": "FOLDER"}}}
        """, QmpErrorClass.GenericError, "FOLDER' is a directory, expected the path of a socket")]
    [InlineData("chardev-add", """
        {"id": "x", "backend": {"type": "socket", "data": {"server": false, "reconnect": 1,
        "addr": {"type": "unix", "data": {"path": "BYTES120"}}}}}
        """, QmpErrorClass.GenericError, "the path has 120 bytes, expected 1 to 107")]
    [InlineData("chardev-add", """
        {"id": "x", "backend": {"type": "socket", "data": {"server": false, "reconnect": 1,
        "addr": {"type": "inet", "data": {"host": "LETTERS300", "port": "1"}}}}}
        """, QmpErrorClass.GenericError, "the host has 300 characters, expected 1 to 253")]
    [InlineData("chardev-add", """
        {"id": "x", "backend": {"type": "socket", "data": {"server": false, "reconnect": 1,
        "addr": {"type": "inet", "data": {"host": "::1", "port": "1"}}}}}
        """, QmpErrorClass.GenericError, "the host is '::1', expected a name or an IPv4 address")]
    [InlineData("object-add", """
        {"qom-type": "colo-compare", "id": "c", "primary_in": "a", "secondary_in": "b", "outdev": "c",
        "iothread": "io", "expired_scan_cycle": 4294967295}
        """, QmpErrorClass.GenericError, "'expired_scan_cycle' is 4294967295, expected 1 to 4294967294")]
    public void Command_is_refused_in_QEMUs_words(
        string command, string arguments, QmpErrorClass errorClass, string text)
    {
        QmpReply.Failure failure = _rig.Refuse(
            $$"""
                {"execute": "{{command}}",
                "arguments": {{Filled(arguments)}}}
                """);
        Assert.Equal(errorClass, failure.Class);
        Assert.Contains(Filled(text), failure.Description);
    }

    private string Filled(string text) => text
        .Replace("FOLDER", _folder, StringComparison.Ordinal)
        .Replace("BYTES120", new string('ä', 60), StringComparison.Ordinal)
        .Replace("LETTERS300", new string('h', 300), StringComparison.Ordinal);

    /// <summary>A comparer that could not be made leaves its three devices to the next one.</summary>
    [Fact]
    public void A_comparer_that_is_refused_keeps_no_device()
    {
        foreach (string id in (string[])["a", "b", "c"])
        {
            _rig.Parts.AddChardev($"socket,id={id},path={_folder}/{id},server=on,wait=off");
        }

        const string comparer = "colo-compare,id=comp,primary_in=a,secondary_in=b,outdev=c,iothread=io";
        Assert.Throws<ArgumentException>(() => _rig.Parts.AddObject(comparer + ",expired_scan_cycle=4294967295"));
        _rig.Parts.AddObject(comparer + ",expired_scan_cycle=4294967294,compare_timeout=4294967295");
    }

    /// <summary>The end of a device is whole although its socket's folder went before it.</summary>
    [Fact]
    public void A_device_whose_folder_has_gone_is_removed_all_the_same()
    {
        string folder = Directory.CreateDirectory(Path.Combine(_folder, "gone")).FullName;
        _rig.Parts.AddChardev($"socket,id=a,path={folder}/a,server=on,wait=off");
        _rig.Say($$"""
            {"execute": "nbd-server-start", "arguments": {"addr": {"type": "unix",
            "data": {"path": "{{folder}}/n"} } } }
            """);
        Directory.Delete(folder, recursive: true);
        _rig.Say("""{"execute": "chardev-remove", "arguments": {"id": "a"}}""");
        _rig.Say("""{"execute": "nbd-server-stop"}""");
        Assert.Contains("not running", _rig.Refuse("""{"execute": "nbd-server-stop"}""").Description);
    }

    [Fact]
    public void A_port_where_another_listens_is_refused_even_if_that_one_would_share_it()
    {
        using var other = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        other.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        other.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        other.Listen();
        int port = ((IPEndPoint)other.LocalEndPoint!).Port;
        string address = $$"""{"type": "inet", "data": {"host": "127.0.0.1", "port": "{{port}}"} }""";
        QmpReply.Failure failure = _rig.Refuse($$"""
            {"execute": "chardev-add", "arguments": {"id": "x", "backend": {"type": "socket",
            "data": {"server": true, "wait": false, "addr": {{address}} } } } }
            """);
        Assert.Contains("cannot listen", failure.Description);
    }

    [Theory]
    [InlineData("fly to=moon", "unknown command: 'fly'")]
    [InlineData("drive_del nobody", "Error: Failed to find node")]
    [InlineData("drive_add -n buddy driver=nbd", "Error: Parameter 'node-name' is missing")]
    public void Human_monitor_answers_with_text(string line, string expected) => Assert.Contains(
        expected, (string)_rig.Say($$$"""
            {"execute": "human-monitor-command", "arguments": {"command-line": "{{{line}}}"}}
            """)!);

    [Theory]
    [InlineData("socket,id=a,port=x", "'port' is 'x'")]
    [InlineData("pty,id=a", "does not accept value 'pty'")]
    [InlineData("socket,id=9,path=p,server=on", "expected an identifier")]
    public void Option_is_refused_with_the_same_words(string option, string expected) =>
        Assert.Contains(expected, Assert.Throws<ArgumentException>(() => _rig.Parts.AddChardev(option)).Message);

    /// <summary>Commands whose members are replaced, dropped, doubled and nested at random.</summary>
    [Fact]
    public void No_arguments_throw_out_of_a_command()
    {
        string[] templates =
        [
            """
                {"execute": "chardev-add", "arguments": {"id": "x", "backend": {"type": "socket",
                "data": {"addr": {"type": "unix", "data": {"path": "FOLDER/x"}}, "server": true,
                "wait": false}}}}
                """,
            """
                {"execute": "object-add", "arguments": {"qom-type": "filter-redirector", "id": "r",
                "netdev": "hn0", "queue": "rx", "indev": "red0", "insert": "before", "position": "id=f1"}}
                """,
            """
                {"execute": "object-add", "arguments": {"qom-type": "colo-compare", "id": "c",
                "primary_in": "red0", "secondary_in": "red1", "outdev": "x", "iothread": "t",
                "compare_timeout": 100}}
                """,
            """{"execute": "object-add", "arguments": {"qom-type": "iothread", "id": "t"}}""",
            """{"execute": "object-del", "arguments": {"id": "r"}}""",
            """{"execute": "qom-set", "arguments": {"path": "/objects/f1", "property": "status", "value": "off"}}""",
            """
                {"execute": "nbd-server-start", "arguments": {"addr": {"type": "unix",
                "data": {"path": "FOLDER/n"}}, "max-connections": 3}}
                """,
            """
                {"execute": "block-export-add", "arguments": {"type": "nbd", "id": "e",
                "node-name": "colo-disk0", "name": "n", "writable": false}}
                """,
            """
                {"execute": "blockdev-add", "arguments": {"driver": "replication", "mode": "primary",
                "node-name": "n", "file": {"driver": "nbd", "server": {"type": "unix", "path": "FOLDER/none"},
                "export": "p"}}}
                """,
            """{"execute": "x-blockdev-change", "arguments": {"parent": "colo-disk0", "child": "children.0"}}""",
            """
                {"execute": "drive-mirror", "arguments": {"device": "colo-disk0", "job-id": "j",
                "target": "nbd+unix:///p?socket=FOLDER/none", "mode": "existing", "sync": "full"}}
                """,
            """
                {"execute": "human-monitor-command",
                "arguments": {"command-line": "drive_add -n buddy driver=nbd,server.type=unix,server.path=FOLDER/n,server=1,node-name=q"}}
                """,
        ];
        const int seed = 11;
        var random = new Random(seed);
        for (int i = 0; i < 2000; i++)
        {
            string template = templates[random.Next(templates.Length)];
            JsonNode command = JsonNode.Parse(template.Replace("FOLDER", _folder, StringComparison.Ordinal))!;
            for (int changes = random.Next(3); changes > 0; changes--)
            {
                Change(command["arguments"]!, random);
            }

            string text = command.ToJsonString();
            Exception? thrown = Record.Exception(() => _rig.Reply(text));
            Assert.True(thrown is null, $"seed {seed}, command {i}: {text}: {thrown}");
        }
    }

    private void Change(JsonNode within, Random random)
    {
        if (within is not JsonObject fields || fields.Count == 0)
        {
            return;
        }

        string name = fields.ElementAt(random.Next(fields.Count)).Key;
        if (fields[name] is JsonObject nested && random.Next(2) == 0)
        {
            Change(nested, random);
            return;
        }

        byte[] letters = [.. Enumerable.Range(0, random.Next(140)).Select(_ => (byte)random.Next(32, 127))];
        string odd = Encoding.ASCII.GetString(letters);
        switch (random.Next(8))
        {
            case 0:
                fields.Remove(name);
                break;
            case 1:
                fields[name] = null;
                break;
            case 2:
                fields[name] = random.NextInt64(long.MinValue, long.MaxValue);
                break;
            case 3:
                fields[name] = new JsonArray(1, "two");
                break;
            case 4:
                fields[name] = new JsonObject { ["type"] = odd };
                break;
            case 5:
                fields[odd] = odd;
                break;
            case 6:
                fields[name] = random.NextDouble() * 1e300;
                break;
            default:
                // A text of the same first letters, so that it gets past some of the checks.
                string before = JsonSerializer.Serialize(fields[name]);
                fields[name] = name == "path"
                    ? Path.Combine(_folder, odd.Replace('/', '_'))
                    : before[1..Math.Min(4, before.Length)] + odd;
                break;
        }
    }
}
