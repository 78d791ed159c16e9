using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Akka.Actor;
using Colo.Akka.Tests.Remote;

namespace Colo.Akka.Tests.EmbeddedOnly.Remote;

public sealed class TlsTests : IDisposable
{
    private static readonly TimeSpan Bound = RemoteSystems.HangBound;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("colo-tls-");

    public void Dispose() => _folder.Delete(recursive: true);

    private X509Certificate2 Authority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        var authority = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(Path.Combine(_folder.FullName, name + ".ca"), authority.ExportCertificatePem());
        return authority;
    }

    private string Issue(X509Certificate2 authority, string name, bool pfx)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var issued = request.Create(
            authority, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(12), RandomNumberGenerator.GetBytes(8));
        using var withKey = issued.CopyWithPrivateKey(key);
        var path = Path.Combine(_folder.FullName, name + (pfx ? ".pfx" : ".pem"));
        if (pfx)
        {
            File.WriteAllBytes(path, withKey.Export(X509ContentType.Pkcs12, "secret"));
        }
        else
        {
            File.WriteAllText(path, withKey.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem());
        }

        return path;
    }

    private string Settings(string certificate, string authority, string password = "") => $$"""
        akka.remote.dot-netty.tcp {
          enable-ssl = true
          ssl {
            certificate { path = "{{certificate}}", password = "{{password}}" }
            ca-path = "{{Path.Combine(_folder.FullName, authority + ".ca")}}"
          }
        }
        """;

    [Fact]
    public async Task Systems_with_certificates_of_one_authority_talk()
    {
        using var authority = Authority("good");
        await using var systems = new RemoteSystems();
        var a = systems.Create("a", Settings(Issue(authority, "a", pfx: false), "good"));
        var b = systems.Create("b", Settings(Issue(authority, "b", pfx: true), "good", "secret"));
        b.ActorOf(Props.Create(() => new Echo()), "echo");
        var echo = await RemoteSystems.Resolve(a, b, "/user/echo");
        Assert.Equal("akka.ssl.tcp", echo.Path.Address.Protocol);
        var large = new byte[100_000];
        Random.Shared.NextBytes(large);
        Assert.Equal(large, await echo.Ask<byte[]>(large, Bound));
    }

    [Fact]
    public async Task A_certificate_of_another_authority_is_refused()
    {
        using var good = Authority("good");
        using var other = Authority("other");
        await using var systems = new RemoteSystems();
        var a = systems.Create("a", Settings(Issue(other, "a", pfx: false), "good"));
        var b = systems.Create("b", Settings(Issue(good, "b", pfx: false), "good"));
        await RefusesAsync(a, b);
    }

    [Fact]
    public async Task A_server_of_another_authority_is_refused()
    {
        using var good = Authority("good");
        using var other = Authority("other");
        await using var systems = new RemoteSystems();
        var a = systems.Create("a", Settings(Issue(good, "a", pfx: false), "good"));
        var b = systems.Create("b", Settings(Issue(other, "b", pfx: false), "other"));
        await RefusesAsync(a, b);
    }

    [Fact]
    public void A_missing_certificate_is_a_clear_error()
    {
        var systems = new RemoteSystems();
        var error = Assert.ThrowsAny<Exception>(() => systems.Create("a", Settings("/nowhere/x.pem", "none")));
        Assert.Contains("/nowhere/x.pem", error.ToString(), StringComparison.Ordinal);
    }

    private static async Task RefusesAsync(ActorSystem from, ActorSystem to)
    {
        to.ActorOf(Props.Create(() => new Echo()), "echo");
        var lost = new Inboxed(from);
        from.EventStream.Subscribe(lost.Ref, typeof(global::Akka.Remote.AssociationErrorEvent));
        from.ActorSelection($"{RemoteSystems.AddressOf(to)}/user/echo").Tell("let me in");
        await lost.Next<global::Akka.Remote.AssociationErrorEvent>();
    }
}
