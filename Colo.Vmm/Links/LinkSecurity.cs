using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Colo.Vmm.Links;

/// <summary>
/// TLS 1.3 with both sides authenticated by one cluster CA. A certificate is accepted when it chains to that CA and to
/// nothing else: the machine's own trust store is not asked, and names are not compared with addresses, because a node
/// is identified by the certificate's subject, which the caller checks against the host it expects.
/// </summary>
public sealed class LinkSecurity
{
    private readonly X509Certificate2 own;
    private readonly X509Certificate2 authority;

    /// <param name="own">This node's certificate with its private key.</param>
    /// <param name="authority">The cluster's CA certificate.</param>
    public LinkSecurity(X509Certificate2 own, X509Certificate2 authority)
    {
        if (!own.HasPrivateKey)
        {
            throw new ArgumentException($"certificate '{own.Subject}' has no private key", nameof(own));
        }

        this.own = own;
        this.authority = authority;
    }

    /// <summary>Reads PEM files as <c>colo cert init</c> writes them.</summary>
    public static LinkSecurity FromFiles(string certificatePath, string keyPath, string authorityPath)
    {
        using var pem = X509Certificate2.CreateFromPemFile(certificatePath, keyPath);
        // SslStream wants a key that is not ephemeral on some platforms; the round trip through PKCS#12 gives one.
        X509Certificate2 own = X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);
        return new LinkSecurity(own, X509CertificateLoader.LoadCertificateFromFile(authorityPath));
    }

    internal SslServerAuthenticationOptions ServerOptions => new()
    {
        ServerCertificate = own,
        ClientCertificateRequired = true,
        EnabledSslProtocols = SslProtocols.Tls13,
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        RemoteCertificateValidationCallback = (_, certificate, _, _) => IsTrusted(certificate),
    };

    internal SslClientAuthenticationOptions ClientOptions => new()
    {
        TargetHost = "colo",
        ClientCertificates = [own],
        EnabledSslProtocols = SslProtocols.Tls13,
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        RemoteCertificateValidationCallback = (_, certificate, _, _) => IsTrusted(certificate),
    };

    private bool IsTrusted(X509Certificate? certificate)
    {
        if (certificate is null)
        {
            return false;
        }

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(authority);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        using X509Certificate2 peer = X509CertificateLoader.LoadCertificate(certificate.GetRawCertData());
        return chain.Build(peer);
    }
}
