using System.Net;
using System.Net.Sockets;
using Colo.Vmm.Qemu;

namespace Colo.EndToEnd.Qemu;

/// <summary>What QEMU would refuse is found before anything is started, and told with its key.</summary>
[Trait("Category", "e2e")]
public sealed class QemuPreflightTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("colo-pre").FullName;

    [KvmFact]
    public void A_good_definition_is_good()
    {
        Assert.Empty(Check(guest => guest));
        Assert.Empty(Check(guest => guest with { ExtraArguments = ["-object", "filter-dump,id=d,netdev=hn0,file=/dev/null", "-device", "usb-ehci"] }));
    }

    [KvmTheory]
    [InlineData("machine property", "qemu makes a machine that QEMU refuses")]
    [InlineData("cpus", "qemu makes a machine that QEMU refuses: Invalid SMP CPUs 4000")]
    [InlineData("binary", "qemu.binary is '/nowhere/qemu'")]
    [InlineData("model", "nics[0].model is 'token-ring'")]
    [InlineData("format", "disks[0].format is 'qcow2'")]
    [InlineData("size", "disks[0].path has 0 bytes, expected a multiple of 512")]
    [InlineData("tcg", "qemu.accel is tcg")]
    [InlineData("arguments", "qemu.arguments are refused by QEMU: -vnc")]
    [InlineData("word", "qemu.arguments are refused by QEMU: -nonsense: invalid option")]
    public void What_QEMU_would_refuse_is_told_with_its_key(string what, string told)
    {
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        if (what == "arguments")
        {
            // A display's number is a port above 5900.
            taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            taken.Listen();
        }

        int display = taken.LocalEndPoint is IPEndPoint bound ? bound.Port - 5900 : 0;
        IReadOnlyList<QemuProblem> problems = Check(guest => what switch
        {
            "machine property" => guest with { Machine = "pc,colour=red" },
            "cpus" => guest with { VirtualCpus = 4000 },
            "binary" => guest with { Binary = "/nowhere/qemu" },
            "model" => guest with { Nics = [guest.Nics[0] with { Model = "token-ring" }] },
            "format" => guest with { Disks = [guest.Disks[0] with { Format = "qcow2" }] },
            "size" => guest with { Disks = [guest.Disks[0] with { Path = Image("empty.img", 0) }] },
            "tcg" => guest with { Accelerator = "tcg" },
            "arguments" => guest with { ExtraArguments = ["-vnc", $"127.0.0.1:{display}"] },
            _ => guest with { ExtraArguments = ["-nonsense"] },
        });

        Assert.StartsWith(told, Assert.Single(problems).ToString(), StringComparison.Ordinal);
    }

    [KvmFact]
    public void A_KVM_that_may_not_be_used_is_told_with_its_key()
    {
        QemuProblem problem = Assert.Single(QemuPreflight.Check(Guest(), Folder, kvm: "/dev/no-kvm"));

        Assert.Equal("qemu.accel", problem.Key);
        Assert.Contains("/dev/no-kvm", problem.Problem, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private QemuFolder Folder => new(_folder);

    private IReadOnlyList<QemuProblem> Check(Func<QemuDefinition, QemuDefinition> change) => QemuPreflight.Check(change(Guest()), Folder);

    private QemuDefinition Guest() => new()
    {
        Name = "small",
        MemoryBytes = 16 << 20,
        Cpu = "qemu64",
        Disks = [new QemuDisk(Image("a.img", 1 << 20), "raw", "ide-hd", "")],
        Nics = [new QemuNic("tap9", [0x52, 0x54, 0, 0, 0, 1], "rtl8139")],
    };

    private string Image(string name, long bytes)
    {
        string path = Path.Combine(_folder, name);
        using FileStream file = new(path, FileMode.Create);
        file.SetLength(bytes);
        return path;
    }
}
