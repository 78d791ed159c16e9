using System.Net;
using Colo.Actors.Checkpoint;
using Colo.Host.Configuration;

namespace Colo.Host.Tests.Configuration;

public sealed class NodeOptionsTests
{
    private const string Good = """
        colo {
          node {
            name = node-a
            listen = ["127.0.0.1:7450", "127.0.0.1:7451"]
          }
          peers {
            node-b = ["127.0.0.2:7450"]
            witness = ["127.0.0.3:7450"]
          }
          arbiter.witness { node = witness }
          vms {
            web {
              guest = debian
              memory = 128MiB
              nodes = [node-a, node-b]
              disks = [{ path = /var/lib/colo/web.img, serial = web0 }, { path = /srv/iso.img, mode = local, readonly = on }]
              nics = [{ bridge = br0 }]
              mode = periodic
              checkpoint { periodic = 25ms }
            }
          }
        }
        """;

    [Fact]
    public void A_VM_takes_its_own_keys_over_the_defaults()
    {
        NodeOptions options = Read(Good, out IReadOnlyList<ConfigurationError> errors)!;

        Assert.Empty(errors);
        VmDefinition web = Assert.Single(options.Vms);
        Assert.Equal("debian", web.Guest);
        Assert.Equal(128L << 20, web.MemoryBytes);
        Assert.Equal(ReplicationMode.Periodic, web.Checkpoint.Mode);
        Assert.Equal(TimeSpan.FromMilliseconds(25), web.Checkpoint.PeriodicPeriod);
        Assert.Equal(TimeSpan.FromSeconds(20), web.Checkpoint.ColoPeriod);
        Assert.Equal(TimeSpan.FromMilliseconds(200), web.CompareTimeout);
        Assert.Equal(
            [new VmDisk("/var/lib/colo/web.img", VmDiskMode.Replicated, false, "web0"), new VmDisk("/srv/iso.img", VmDiskMode.Local, true, "")],
            web.Disks);
        Assert.Equal("br0", Assert.Single(web.Nics).Bridge);
    }

    [Fact]
    public void A_derived_MAC_is_the_same_on_every_node_and_local_unicast()
    {
        NodeOptions first = Read(Good, out _)!;
        NodeOptions second = Read(Good.Replace("name = node-a", "name = node-b").Replace("node-b = [", "node-a = ["), out _)!;

        byte[] mac = first.Vms[0].Nics[0].Mac;
        Assert.Equal(mac, second.Vms[0].Nics[0].Mac);
        Assert.Equal([0x52, 0x54, 0x00], mac[..3]);
    }

    [Fact]
    public void Addresses_of_peers_keep_the_order_of_their_networks()
    {
        NodeOptions options = Read(Good, out _)!;

        Assert.Equal(new IPEndPoint(IPAddress.Loopback, 7451), options.Listen[1]);
        Assert.Equal(["node-b", "witness"], options.Peers.Select(peer => peer.Host.Name));
    }

    [Theory]
    [InlineData("memory = 128MiB", "memory = 3MiB", "colo.vms.web.memory", 14, "16777216")]
    [InlineData("nodes = [node-a, node-b]", "nodes = [node-a, node-c]", "colo.vms.web.nodes", 15, "'node-c'")]
    [InlineData("mode = periodic", "mode = sometimes", "colo.vms.web.mode", 18, "colo, periodic")]
    [InlineData("guest = debian", "guest = windows", "colo.vms.web.guest", 13, "debian-redis")]
    [InlineData("mode = local", "mode = remote", "colo.vms.web.disks[1]", 16, "replicated, shared or local")]
    [InlineData("periodic = 25ms", "periodic = soon", "colo.vms.web.checkpoint.periodic", 19, "duration")]
    [InlineData("[\"127.0.0.2:7450\"]", "[\"nowhere\"]", "colo.peers.node-b", 7, "ADDRESS:PORT")]
    [InlineData("memory = 128MiB", "memory = 512MB", "colo.vms.web.memory", 14, "a multiple of 2 MiB")]
    [InlineData("memory = 128MiB", "harts = [1]", "colo.vms.web.harts", 14, "a whole number")]
    [InlineData("memory = 128MiB", "compare.timeout = [1]", "colo.vms.web.compare.timeout", 14, "a duration")]
    [InlineData("memory = 128MiB", "memory = [1]", "colo.vms.web.memory", 14, "a size")]
    [InlineData("guest = debian", "guest = [debian]", "colo.vms.web.guest", 13, "a text")]
    [InlineData(
        "memory = 128MiB", "check { address = 10.0.0.9, interval=60d }", "colo.vms.web.check.interval", 14, "20 days")]
    [InlineData("readonly = on", "read-only = on", "colo.vms.web.disks[1].read-only", 16, "readonly")]
    [InlineData("bridge = br0", "brigde = br0", "colo.vms.web.nics[0].brigde", 17, "bridge")]
    [InlineData("nics = [{ bridge = br0 }]", "nics = { bridge = br0 }", "colo.vms.web.nics", 17, "a list of objects")]
    public void A_wrong_value_is_named_with_key_line_and_what_was_expected(string old, string @new, string key, int line, string expected)
    {
        Assert.Null(Read(Good.Replace(old, @new), out IReadOnlyList<ConfigurationError> errors));

        ConfigurationError error = Assert.Single(errors, found => found.Key == key);
        Assert.Equal($"test.conf:{line}", error.Place);
        Assert.Contains(expected, error.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_node_leaves_itself_out_of_a_list_of_peers_that_all_nodes_include()
    {
        NodeOptions options = Read(Good.Replace("  peers {", "  peers {\n node-a = [\"127.0.0.1:7450\"]"), out _)!;

        Assert.Equal(["node-b", "witness"], options.Peers.Select(peer => peer.Host.Name));
    }

    [Fact]
    public void All_errors_are_reported_at_once()
    {
        Assert.Null(Read(Good.Replace("guest = debian", "guest = dos").Replace("128MiB", "1MiB"), out var errors));

        Assert.Equal(2, errors.Count);
    }

    [Fact]
    public void The_environment_overrides_the_file_and_is_named_in_errors()
    {
        var environment = new Dictionary<string, string> { ["CONFIG_FORCE_colo_management_port"] = "70000" };

        Assert.Null(Read(Good, out IReadOnlyList<ConfigurationError> errors, environment));

        ConfigurationError error = Assert.Single(errors);
        Assert.Equal("CONFIG_FORCE_colo_management_port", error.Place);
    }

    [Fact]
    public void Listening_off_loopback_needs_certificates()
    {
        Assert.Null(Read(Good.Replace("127.0.0.1:7450", "10.0.0.1:7450"), out IReadOnlyList<ConfigurationError> errors));

        Assert.Contains("colo cert init", Assert.Single(errors).Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void An_included_file_stands_where_the_line_is_and_keeps_its_own_line_numbers()
    {
        string folder = Directory.CreateTempSubdirectory("colo-conf").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, "vms.conf"), "colo.vms.web {\n  guest = debian\n  nodes = [node-x]\n}\n");
            File.WriteAllText(Path.Combine(folder, "node.conf"), """
                colo.node { name = node-a, listen = ["127.0.0.1:1"] }
                colo.arbiter { kind = none }
                include "vms.conf"
                """);

            ConfigurationLoader loader = ConfigurationLoader.Load(Path.Combine(folder, "node.conf"), new Dictionary<string, string>());
            Assert.Null(NodeOptionsReader.Read(loader, out IReadOnlyList<ConfigurationError> errors));

            ConfigurationError error = Assert.Single(errors);
            Assert.EndsWith("vms.conf:3", error.Place, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_file_that_cannot_be_read_names_file_line_column_and_what_was_expected()
    {
        string folder = Directory.CreateTempSubdirectory("colo-conf").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, "vms.conf"), "colo.vms.web {\n  guest = \"debian\n}\n");
            File.WriteAllText(Path.Combine(folder, "node.conf"), "colo.arbiter { kind = none }\n\ninclude \"vms.conf\"\n");

            ConfigurationLoader loader = ConfigurationLoader.Load(Path.Combine(folder, "node.conf"), new Dictionary<string, string>());

            ConfigurationError error = Assert.Single(loader.Errors);
#if AKKA_EMBEDDED
            Assert.EndsWith("vms.conf:2:11", error.Place, StringComparison.Ordinal);
            Assert.StartsWith("expected a closing", error.Problem, StringComparison.Ordinal);
#else
            Assert.Contains(".conf", error.Place, StringComparison.Ordinal);
#endif
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("{", 60_000)]
    [InlineData("a{", 30_000)]
    [InlineData("a=[", 20_000)]
    [InlineData("[{a=", 15_000)]
    public void A_text_that_nests_without_end_is_an_error_and_not_the_end_of_the_process(string part, int times)
    {
        string text = string.Concat(Enumerable.Repeat(part, times));

        Assert.NotEmpty(ConfigurationLoader.Parse(text, "?", new Dictionary<string, string>()).Errors);
        Assert.True(HoconLocator.Lines(text).Count <= 60_000);
    }

    [Fact]
    public void The_places_of_keys_below_a_long_key_take_no_memory_by_the_square()
    {
        string below = string.Concat(Enumerable.Range(0, 5_000).Select(n => $"k{n}=1\n"));
        string text = $"{new string('k', 30_000)} {{\n{below}}}";
        long before = GC.GetAllocatedBytesForCurrentThread();

        HoconLocator.Lines(text);

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 20 << 20);
    }

    [Fact]
    public void A_missing_file_is_an_error_and_no_exception()
    {
        ConfigurationLoader loader = ConfigurationLoader.Load("/nowhere/node.conf", new Dictionary<string, string>());

        Assert.Null(NodeOptionsReader.Read(loader, out IReadOnlyList<ConfigurationError> errors));
        Assert.NotEmpty(errors);
    }

    [Theory]
    [InlineData("/var/lib/colo/web.img", "replicated", "off", false)]
    [InlineData("/var/lib/../lib/colo/web.img", "local", "on", false)]
    [InlineData("/srv/iso.img", "local", "on", true)]
    [InlineData("/var/lib/colo/db.img", "shared", "off", true)]
    [InlineData("\"\"", "replicated", "off", false)]
    public void Two_VMs_of_a_node_have_no_disk_that_one_of_them_writes_to(
        string path, string mode, string readOnly, bool valid)
    {
        string second = $$"""
            colo.vms.db {
              guest = debian, nodes = [node-b, node-a]
              disks = [{ path = {{path}}, mode = {{mode}}, readonly = {{readOnly}} }]
            }
            """;

        Read($"{Good}\n{second}", out IReadOnlyList<ConfigurationError> errors);

        Assert.Equal(valid, errors.Count == 0);
        Assert.All(errors, error => Assert.StartsWith("colo.vms.", error.Key, StringComparison.Ordinal));
    }

    [Fact]
    public void Two_VMs_of_a_node_whose_long_names_end_alike_have_not_one_interface()
    {
        string Vm(string name) =>
            $"colo.vms.{name} {{ guest = debian, nodes = [node-a, node-b], nics = [{{ bridge = br0 }}] }}";

        string text = $"{Good}\n{Vm("north-customer-db")}\n{Vm("south-customer-db")}";
        Read(text, out IReadOnlyList<ConfigurationError> errors);

        ConfigurationError error = Assert.Single(errors);
        Assert.Equal("colo.vms.south-customer-db.nics", error.Key);
        Assert.Contains(
            "interface th-customer-db0 is that of VM 'north-customer-db'", error.Problem, StringComparison.Ordinal);
        Assert.NotNull(Read($"{Good}\n{Vm("north-customer-db")}\n{Vm("other")}", out _));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" \n")]
    [InlineData("one\ntwo\n")]
    [InlineData("sch\u00f6n")]
    public void A_token_that_nobody_can_name_or_that_everybody_has_is_an_error(string token)
    {
        string file = Path.GetTempFileName();
        File.WriteAllText(file, token);

        Read($"{Good}\ncolo.management.token-file = \"{file}\"", out IReadOnlyList<ConfigurationError> errors);

        ConfigurationError error = Assert.Single(errors);
        Assert.Equal("colo.management.token-file", error.Key);
        Assert.DoesNotContain("two", error.Problem, StringComparison.Ordinal);
        File.WriteAllText(file, "s3cret+/=\n");
        Assert.NotNull(Read($"{Good}\ncolo.management.token-file = \"{file}\"", out _));
        File.Delete(file);
    }

    private static NodeOptions? Read(
        string text, out IReadOnlyList<ConfigurationError> errors, IReadOnlyDictionary<string, string>? environment = null) =>
        NodeOptionsReader.Read(ConfigurationLoader.Parse(text, "test.conf", environment ?? new Dictionary<string, string>()), out errors);
}
