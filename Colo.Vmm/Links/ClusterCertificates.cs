using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Colo.Vmm.Links;

/// <summary>Makes a cluster's own CA and the certificates of its nodes: ECDSA P-256, TLS 1.3 server and client
/// use.</summary>
public static class ClusterCertificates
{
    private static readonly TimeSpan Lifetime = TimeSpan.FromDays(3650);

    /// <summary>A new CA named <paramref name="cluster"/>, with its private key.</summary>
    public static X509Certificate2 CreateAuthority(string cluster, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={cluster}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        return request.CreateSelfSigned(now.AddDays(-1), now + Lifetime);
    }

    /// <summary>A node's certificate with its private key, signed by the CA; its common name is the node's
    /// name.</summary>
    /// <param name="authority">The CA with its private key.</param>
    /// <param name="node">Name of the node as in its configuration.</param>
    /// <param name="addresses">IP addresses and DNS names that management clients may use for it.</param>
    /// <param name="now">Start of validity.</param>
    public static X509Certificate2 CreateNode(
        X509Certificate2 authority, string node, IEnumerable<string> addresses, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={node}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(
            [new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")], false));
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(node);
        foreach (string address in addresses)
        {
            if (IPAddress.TryParse(address, out IPAddress? ip))
            {
                names.AddIpAddress(ip);
            }
            else
            {
                names.AddDnsName(address);
            }
        }

        request.CertificateExtensions.Add(names.Build());
        byte[] serial = RandomNumberGenerator.GetBytes(16);
        serial[0] &= 0x7f;
        DateTimeOffset end = now + Lifetime;
        using X509Certificate2 signed = request.Create(
            authority, now.AddDays(-1), end < authority.NotAfter ? end : authority.NotAfter, serial);
        return signed.CopyWithPrivateKey(key);
    }
}
