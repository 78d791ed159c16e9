using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Akka.Configuration;

namespace Akka.Remote.Transport.Tcp;

/// <summary>
/// The section <c>ssl</c>: TLS 1.3 only, both sides show a certificate unless told otherwise. Paths name a PKCS#12 file
/// or PEM files.
/// </summary>
internal sealed class TlsSettings
{
    private readonly X509Certificate2 _certificate;
    private readonly X509Certificate2Collection _authorities;
    private readonly bool _suppressValidation;
    private readonly bool _mutual;

    private TlsSettings(
        X509Certificate2 certificate, X509Certificate2Collection authorities, bool suppressValidation, bool mutual)
    {
        _certificate = certificate;
        _authorities = authorities;
        _suppressValidation = suppressValidation;
        _mutual = mutual;
    }

    /// <exception cref="ConfigurationException">A file is missing or is not what it should be.</exception>
    internal static TlsSettings Read(Config section)
    {
        const string prefix = "akka.remote.dot-netty.tcp.ssl";
        var path = section?.GetString("certificate.path");
        if (string.IsNullOrEmpty(path))
        {
            throw new ConfigurationException($"{prefix}.certificate.path is empty; expected the path of a PKCS#12 or PEM file.");
        }

        var certificate = Load(prefix, path, section.GetString("certificate.key-path"), section.GetString("certificate.password"));
        var authorities = new X509Certificate2Collection();
        var authorityPath = section.GetString("ca-path");
        if (!string.IsNullOrEmpty(authorityPath))
        {
            try
            {
                authorities.ImportFromPemFile(authorityPath);
            }
            catch (Exception error) when (error is CryptographicException or IOException or UnauthorizedAccessException)
            {
                throw new ConfigurationException($"{prefix}.ca-path = {authorityPath}: {error.Message}; expected PEM certificates.", error);
            }
        }

        return new TlsSettings(
            certificate,
            authorities,
            section.GetBoolean("suppress-validation"),
            section.GetBoolean("require-mutual-authentication", true));
    }

    internal SslServerAuthenticationOptions ForServer() => new()
    {
        ServerCertificate = _certificate,
        ClientCertificateRequired = _mutual,
        EnabledSslProtocols = SslProtocols.Tls13,
        CertificateChainPolicy = ChainPolicy(),
        RemoteCertificateValidationCallback = (_, peer, _, errors) => IsAccepted(peer, errors & ~SslPolicyErrors.RemoteCertificateNameMismatch),
    };

    internal SslClientAuthenticationOptions ForClient(string host) => new()
    {
        TargetHost = host,
        ClientCertificates = [_certificate],
        EnabledSslProtocols = SslProtocols.Tls13,
        CertificateChainPolicy = ChainPolicy(),
        RemoteCertificateValidationCallback = (_, peer, _, errors) => IsAccepted(peer, errors),
    };

    private bool IsAccepted(X509Certificate peer, SslPolicyErrors errors)
    {
        if (peer is null)
        {
            // Only a server that does not insist on client certificates gets here with none.
            return !_mutual && errors == SslPolicyErrors.RemoteCertificateNotAvailable;
        }

        return _suppressValidation || errors == SslPolicyErrors.None;
    }

    private X509ChainPolicy ChainPolicy()
    {
        var policy = new X509ChainPolicy { RevocationMode = X509RevocationMode.NoCheck };
        if (_authorities.Count > 0)
        {
            policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            policy.CustomTrustStore.AddRange(_authorities);
        }

        return policy;
    }

    private static X509Certificate2 Load(string prefix, string path, string keyPath, string password)
    {
        try
        {
            var isPem = File.ReadAllText(path).Contains("-----BEGIN", StringComparison.Ordinal);
            if (!isPem)
            {
                return X509CertificateLoader.LoadPkcs12FromFile(path, password);
            }

            return string.IsNullOrEmpty(password)
                ? X509Certificate2.CreateFromPemFile(path, string.IsNullOrEmpty(keyPath) ? null : keyPath)
                : X509Certificate2.CreateFromEncryptedPemFile(path, password, string.IsNullOrEmpty(keyPath) ? null : keyPath);
        }
        catch (Exception error) when (error is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException(
                $"{prefix}.certificate.path = {path}: {error.Message}; expected a certificate with its private key.", error);
        }
    }
}
