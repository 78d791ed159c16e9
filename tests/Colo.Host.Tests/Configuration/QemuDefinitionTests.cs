using Colo.Host.Configuration;

namespace Colo.Host.Tests.Configuration;

/// <summary>The definition of a guest that QEMU runs: what it takes, and how each wrong value is told.</summary>
public sealed class QemuDefinitionTests
{
    private const string Good = """
        colo {
          node { name = node-a, listen = ["127.0.0.1:7450"] }
          peers { node-b = ["127.0.0.2:7450"] }
          arbiter { kind = directory, directory { path = /srv/arbiter } }
          vms {
            shop {
              backend = qemu
              memory = 512MiB
              harts = 2
              nodes = [node-a, node-b]
              disks = [{ path = /srv/shop.img, format = qcow2, device = ide-hd, serial = s1 }]
              nics = [{ bridge = br0, model = rtl8139, mac = "52:54:00:00:00:01" }]
              mode = periodic
              checkpoint { period = 20s, periodic = 100ms }
              qemu {
                binary = qemu-system-x86_64
                image-binary = qemu-img
                machine = "pc,usb=off"
                cpu = qemu64
                accel = kvm
                arguments = ["-vnc", ":1"]
                hang-timeout = 3s
                start-timeout = 2m
                comparer = colo
                capture = /srv/captures
              }
            }
          }
        }
        """;

    [Fact]
    public void Every_key_is_taken()
    {
        VmDefinition shop = Assert.Single(Read(Good, out IReadOnlyList<ConfigurationError> errors)!.Vms);

        Assert.Empty(errors);
        Assert.Equal(VmBackendKind.Qemu, shop.Backend);
        Assert.Equal(("qcow2", "ide-hd", "s1"), (shop.Disks[0].Format, shop.Disks[0].Device, shop.Disks[0].Serial));
        Assert.Equal("rtl8139", shop.Nics[0].Model);
        Assert.Equal(("qemu-system-x86_64", "qemu-img"), (shop.Qemu!.Binary, shop.Qemu.ImageBinary));
        Assert.Equal(("pc,usb=off", "qemu64", "kvm"), (shop.Qemu.Machine, shop.Qemu.Cpu, shop.Qemu.Accelerator));
        Assert.Equal(["-vnc", ":1"], shop.Qemu.Arguments);
        Assert.Equal((TimeSpan.FromSeconds(3), TimeSpan.FromMinutes(2)), (shop.Qemu.HangTimeout, shop.Qemu.StartTimeout));
        Assert.Equal((true, "/srv/captures"), (shop.Qemu.OwnComparer, shop.Qemu.CaptureFolder));
    }

    [Theory]
    [InlineData("backend = qemu", "backend = xen", "backend", 7, "embedded, qemu")]
    [InlineData("memory = 512MiB", "memory = lots", "memory", 8, "a size such as 64MiB")]
    [InlineData("memory = 512MiB", "memory = 1KiB", "memory", 8, "16777216")]
    [InlineData("harts = 2", "harts = 0", "harts", 9, "1 to 8")]
    [InlineData("harts = 2", "harts = two", "harts", 9, "a whole number")]
    [InlineData("[node-a, node-b]", "[node-a, node-z]", "nodes", 10, "one of colo.peers")]
    [InlineData("path = /srv/shop.img, ", "", "disks[0]", 11, "has no path")]
    [InlineData("/srv/shop.img", "\"/srv/a,b.img\"", "disks[0]", 11, "one without a comma")]
    [InlineData("serial = s1", "mode = local", "disks[0]", 11, "replicated and writable")]
    [InlineData("serial = s1", "readonly = on", "disks[0]", 11, "replicated and writable")]
    [InlineData("disks = [{", "disks = [none, {", "disks[0]", 11, "an object in braces")]
    [InlineData("52:54:00:00:00:01", "ff:54:00:00:00:01", "nics[0]", 12, "a unicast address")]
    [InlineData("model = rtl8139", "tap = a-name-that-is-too-long", "nics[0]", 12, "at most 15 characters")]
    [InlineData("mode = periodic", "mode = auto", "mode", 13, "expected colo or periodic")]
    [InlineData("mode = periodic", "mode = now", "mode", 13, "colo, periodic, auto")]
    [InlineData("period = 20s", "period = 0s", "checkpoint.period", 14, "a positive duration")]
    [InlineData("periodic = 100ms", "periodic = often", "checkpoint.periodic", 14, "a duration such as 200ms or 5s")]
    [InlineData("binary = qemu-system-x86_64", "binary = \"\"", "qemu.binary", 16, "is not set")]
    [InlineData("image-binary = qemu-img", "image-binary = \"\"", "qemu.image-binary", 17, "is not set")]
    [InlineData("machine = \"pc,usb=off\"", "machine = \"\"", "qemu.machine", 18, "is not set")]
    [InlineData("accel = kvm", "accel = xen", "qemu.accel", 20, "expected kvm or tcg")]
    [InlineData("hang-timeout = 3s", "hang-timeout = never", "qemu.hang-timeout", 22, "a duration such as 200ms or 5s")]
    [InlineData("comparer = colo", "comparer = tcpdump", "qemu.comparer", 24, "expected qemu or colo")]
    [InlineData("start-timeout = 2m", "start-timeout = 0s", "qemu.start-timeout", 23, "a positive duration")]
    public void A_wrong_value_is_told_with_key_line_and_what_was_expected(string old, string @new, string key, int line, string expected)
    {
        Assert.Contains(old, Good, StringComparison.Ordinal);

        Assert.Null(Read(Good.Replace(old, @new, StringComparison.Ordinal), out IReadOnlyList<ConfigurationError> errors));

        ConfigurationError error = Assert.Single(errors, found => found.Key == $"colo.vms.shop.{key}");
        Assert.Equal($"test.conf:{line}", error.Place);
        Assert.Contains(expected, error.Problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("guest = debian", "for the embedded machine")]
    [InlineData("qemu.colour = red", "is not a key of Colo")]
    public void What_is_not_for_QEMU_is_refused(string added, string expected)
    {
        Assert.Null(Read(Good.Replace("harts = 2", $"harts = 2\n{added}", StringComparison.Ordinal), out IReadOnlyList<ConfigurationError> errors));

        Assert.Contains(errors, error => error.Problem.Contains(expected, StringComparison.Ordinal));
    }

    private static NodeOptions? Read(string text, out IReadOnlyList<ConfigurationError> errors) =>
        NodeOptionsReader.Read(ConfigurationLoader.Parse(text, "test.conf", new Dictionary<string, string>()), out errors);
}
