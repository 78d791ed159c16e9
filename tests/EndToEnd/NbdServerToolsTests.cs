using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Colo.Vmm.Block;
using Colo.Vmm.Block.Nbd;

namespace Colo.EndToEnd;

/// <summary>Our NBD server against the clients that Debian ships.</summary>
[Trait("Category", "e2e")]
public sealed class NbdServerToolsTests : IDisposable
{
    private const int Size = 32 << 20;
    private readonly string _folder = Directory.CreateTempSubdirectory("colo-nbd-").FullName;
    private readonly NbdServer _server = new();
    private readonly RawFileDevice _device;
    private readonly byte[] _content = new byte[Size];
    private readonly string _uri;

    public NbdServerToolsTests()
    {
        // Data in the first and third quarter, holes elsewhere.
        new Random(1).NextBytes(_content.AsSpan(0, Size / 4));
        new Random(2).NextBytes(_content.AsSpan(Size / 2, Size / 4));
        _device = RawFileDevice.Create(At("disk.raw"), Size);
        Write(0, Size / 4);
        Write(Size / 2, Size / 4);
        _server.Add(new NbdExport("disk", _device, Description: "a disk"));
        _server.Add(new NbdExport("", _device, Writable: false));
        _server.Listen(new UnixDomainSocketEndPoint(At("socket")));
        _uri = $"nbd+unix:///disk?socket={At("socket")}";
    }

    public void Dispose()
    {
        _server.Dispose();
        _device.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Nbdinfo_sees_the_size_and_every_ability()
    {
        var info = NbdTool.Run("libnbd-bin", "nbdinfo", _uri);
        Assert.Contains($"export-size: {Size}", info, StringComparison.Ordinal);
        Assert.Contains("using structured packets", info, StringComparison.Ordinal);
        Assert.Contains("base:allocation", info, StringComparison.Ordinal);
        foreach (var ability in new[] { "flush", "fua", "trim", "zero", "cache", "df", "multi_conn" })
        {
            Assert.Contains($"can_{ability}: true", info, StringComparison.Ordinal);
        }

        Assert.Contains("is_read_only: false", info, StringComparison.Ordinal);
        Assert.Contains("block_size_minimum: 512", info, StringComparison.Ordinal);
    }

    [Fact]
    public void Nbdinfo_lists_all_exports()
    {
        var list = NbdTool.Run("libnbd-bin", "nbdinfo", "--list", $"nbd+unix:///?socket={At("socket")}");
        Assert.Contains("export=\"disk\"", list, StringComparison.Ordinal);
        Assert.Contains("description: a disk", list, StringComparison.Ordinal);
        Assert.Contains("is_read_only: true", list, StringComparison.Ordinal);
    }

    [Fact]
    public void Nbdinfo_and_qemu_img_map_the_holes()
    {
        var lines = NbdTool.Run("libnbd-bin", "nbdinfo", "--map", _uri).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(4, lines.Length);
        Assert.EndsWith("hole,zero", lines[1], StringComparison.Ordinal);
        Assert.EndsWith("data", lines[2], StringComparison.Ordinal);
        var map = NbdTool.Run("qemu-utils", "qemu-img", "map", "--output=json", "-f", "raw", _uri);
        Assert.Equal(4, map.Split("\"start\"").Length - 1);
    }

    [Fact]
    public void Nbdcopy_reads_the_disk_exactly()
    {
        NbdTool.Run("libnbd-bin", "nbdcopy", _uri, At("copy.raw"));
        Assert.True(File.ReadAllBytes(At("copy.raw")).AsSpan().SequenceEqual(_content));
    }

    [Fact]
    public void Nbdcopy_writes_the_disk_exactly_and_flushes()
    {
        new Random(3).NextBytes(_content.AsSpan(1 << 20, 9 << 20));
        _content.AsSpan(20 << 20, 4 << 20).Clear();
        File.WriteAllBytes(At("source.raw"), _content);
        NbdTool.Run("libnbd-bin", "nbdcopy", "--flush", At("source.raw"), _uri);
        Assert.True(File.ReadAllBytes(At("disk.raw")).AsSpan().SequenceEqual(_content));
    }

    [Fact]
    public void Qemu_img_converts_from_and_to_and_compares()
    {
        NbdTool.Run("qemu-utils", "qemu-img", "convert", "-f", "raw", "-O", "qcow2", _uri, At("copy.qcow2"));
        NbdTool.Run("qemu-utils", "qemu-img", "compare", "-f", "raw", "-F", "qcow2", _uri, At("copy.qcow2"));
        NbdTool.Run("qemu-utils", "qemu-io", "-f", "qcow2", "-c", "write -P 0x77 3M 2M", At("copy.qcow2"));
        var different = NbdTool.Try("qemu-utils", "qemu-img", "compare", "-f", "raw", "-F", "qcow2", _uri, At("copy.qcow2"));
        Assert.Equal(1, different.Code);
        NbdTool.Run("qemu-utils", "qemu-img", "convert", "-n", "-f", "qcow2", "-O", "raw", At("copy.qcow2"), _uri);
        _content.AsSpan(3 << 20, 2 << 20).Fill(0x77);
        Assert.True(File.ReadAllBytes(At("disk.raw")).AsSpan().SequenceEqual(_content));
    }

    [Fact]
    public void Qemu_io_writes_with_FUA_zeroes_discards_and_reads_back()
    {
        var output = NbdTool.Run(
            "qemu-utils", "qemu-io", "-f", "raw",
            "-c", "write -f -P 0xa5 0 1M",
            "-c", "write -z 256k 64k",
            "-c", "write -z -u 512k 64k",
            "-c", "discard 768k 64k",
            "-c", "flush",
            "-c", "read -P 0xa5 0 256k",
            "-c", "read -P 0 256k 64k",
            "-c", "read -P 0 512k 64k",
            "-c", "aio_write -P 0x5a 4M 1M",
            "-c", "aio_read 0 1M",
            "-c", "aio_flush",
            "-c", "read -P 0x5a 4M 1M",
            _uri);
        Assert.DoesNotContain("failed", output, StringComparison.Ordinal);
        _content.AsSpan(0, 768 << 10).Fill(0xa5);
        _content.AsSpan(256 << 10, 64 << 10).Clear();
        _content.AsSpan(512 << 10, 64 << 10).Clear();
        _content.AsSpan(4 << 20, 1 << 20).Fill(0x5a);
        var disk = File.ReadAllBytes(At("disk.raw"));
        Assert.True(disk.AsSpan(0, 768 << 10).SequenceEqual(_content.AsSpan(0, 768 << 10)));
        Assert.True(disk.AsSpan(1 << 20).SequenceEqual(_content.AsSpan(1 << 20)));
    }

    [Fact]
    public void Qemu_is_told_of_a_read_only_export()
    {
        var (code, output) = NbdTool.Try(
            "qemu-utils", "qemu-io", "-f", "raw", "-c", "write 0 4k", $"nbd+unix:///?socket={At("socket")}");
        Assert.True(code != 0 || output.Contains("read-only", StringComparison.OrdinalIgnoreCase), output);
        Assert.True(File.ReadAllBytes(At("disk.raw")).AsSpan().SequenceEqual(_content));
    }

    [Fact]
    public void Fio_verifies_what_it_wrote_with_its_nbd_engine()
    {
        var output = NbdTool.Run(
            "fio", "fio", "--name=verify", "--ioengine=nbd", $"--uri={_uri}", "--rw=randwrite", "--bs=4k", "--size=16M",
            "--iodepth=32", "--verify=crc32c", "--do_verify=1", "--verify_fatal=1", "--randseed=7");
        Assert.Contains("err= 0", output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_QEMU_primary_writes_through_its_quorum_to_its_nbd_child()
    {
        File.Copy(At("disk.raw"), At("local.raw"));
        NbdTool.Run(
            "qemu-utils", "qemu-io", "--image-opts",
            "driver=quorum,vote-threshold=1,read-pattern=fifo,children.0.driver=raw,"
            + $"children.0.file.driver=file,children.0.file.filename={At("local.raw")},children.1.driver=nbd,"
            + $"children.1.server.type=unix,children.1.server.path={At("socket")},children.1.export=disk",
            "-c", "write -P 0x31 5M 3M", "-c", "write -z 6M 64k", "-c", "flush", "-c", "read -P 0x31 5M 1M");
        Assert.True(File.ReadAllBytes(At("disk.raw")).AsSpan().SequenceEqual(File.ReadAllBytes(At("local.raw"))));
    }

    [Fact]
    public void Libnbd_connects_with_TLS_and_not_without()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(9));
        File.WriteAllText(At("ca-cert.pem"), certificate.ExportCertificatePem());
        using var server = new NbdServer(new NbdServerOptions
        {
            TlsRequired = true, Tls = new SslServerAuthenticationOptions { ServerCertificate = certificate },
        });
        server.Add(new NbdExport("disk", _device));
        var port = ((System.Net.IPEndPoint)server.Listen(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0))).Port;
        var size = NbdTool.Run(
            "libnbd-bin", "nbdinfo", "--size", $"nbds://localhost:{port}/disk?tls-certificates={_folder}");
        Assert.Equal($"{Size}", size.Trim());
        Assert.NotEqual(0, NbdTool.Try("libnbd-bin", "nbdinfo", $"nbd://localhost:{port}/disk").Code);
    }

    private string At(string name) => Path.Combine(_folder, name);

    private void Write(int offset, int length) =>
        Assert.Equal(BlockStatus.Ok, _device.WriteAsync(offset, _content.AsMemory(offset, length)).AsTask().Result);
}
