using System.CommandLine;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Colo.Vmm.Links;

namespace Colo.Host.Cli;

/// <summary>
/// The command <c>colo cert init</c>: the cluster's own CA and a certificate for each node, as PEM files. Overwrites
/// nothing; a CA that is already there is used again, so that nodes can be added.
/// </summary>
internal static class CertCommand
{
    private static readonly Option<string> Out = new("--out") { Description = "Directory for the files", Required = true };
    private static readonly Option<string> Cluster = new("--cluster") { Description = "Name of the cluster; the CA's common name", Required = true };

    private static readonly Argument<string[]> Nodes = new("NODE[=ADDRESS,...]")
    {
        Description = "Nodes, with the addresses and names that management clients use for them",
        Arity = ArgumentArity.OneOrMore,
    };

    public static Command Build() => new("cert", "Certificates of the cluster")
    {
        ClientCommand.Offline("init", "Make a CA and the certificates of nodes", RunAsync, Out, Cluster, Nodes),
    };

    private static Task<int> RunAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        string directory = parsed.GetValue(Out)!;
        string cluster = parsed.GetValue(Cluster)!;
        CheckName("--cluster", cluster);
        (string Name, string[] Addresses)[] nodes = [.. parsed.GetValue(Nodes)!.Select(ReadNode)];
        if (nodes.GroupBy(node => node.Name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            throw new CommandLineException($"node {twice.Key}: named twice");
        }

        try
        {
            IReadOnlyList<string> written = Make(directory, cluster, nodes, DateTimeOffset.UtcNow);
            if (context.Json)
            {
                context.WriteJson(new { version = 1, cluster, directory, written });
            }
            else
            {
                foreach (string file in written)
                {
                    context.Output.WriteLine(file);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new ClientException(ExitCode.Failed, $"{directory}: {e.Message}", e);
        }

        return Task.FromResult(ExitCode.Done);
    }

    private static List<string> Make(string directory, string cluster, (string Name, string[] Addresses)[] nodes, DateTimeOffset now)
    {
        foreach ((string name, _) in nodes)
        {
            foreach (string path in (string[])[Path.Combine(directory, name + ".pem"), Path.Combine(directory, name + ".key")])
            {
                if (File.Exists(path))
                {
                    throw new ClientException(ExitCode.Refused, $"{path} exists and is not overwritten; nothing has changed");
                }
            }
        }

        List<string> written = [];
        using X509Certificate2 authority = OpenAuthority(directory, cluster, now, written);
        foreach ((string name, string[] addresses) in nodes)
        {
            using X509Certificate2 certificate = ClusterCertificates.CreateNode(authority, name, addresses, now);
            Write(directory, name, certificate, written);
        }

        return written;
    }

    private static X509Certificate2 OpenAuthority(string directory, string cluster, DateTimeOffset now, List<string> written)
    {
        string certificatePath = Path.Combine(directory, "ca.pem");
        string keyPath = Path.Combine(directory, "ca.key");
        if (File.Exists(certificatePath) != File.Exists(keyPath))
        {
            throw new ClientException(
                ExitCode.Refused, $"{directory} has only one of ca.pem and ca.key; expected both or none; nothing has changed");
        }

        if (!File.Exists(certificatePath))
        {
            Directory.CreateDirectory(directory);
            X509Certificate2 made = ClusterCertificates.CreateAuthority(cluster, now);
            Write(directory, "ca", made, written);
            return made;
        }

        X509Certificate2 authority = X509Certificate2.CreateFromPemFile(certificatePath, keyPath);
        string name = authority.GetNameInfo(X509NameType.SimpleName, forIssuer: false);
        if (name == cluster)
        {
            return authority;
        }

        authority.Dispose();
        throw new ClientException(
            ExitCode.Refused, $"{certificatePath} is the CA of '{name}', expected '{cluster}'; nothing has changed");
    }

    private static void Write(string directory, string name, X509Certificate2 certificate, List<string> written)
    {
        using ECDsa key = certificate.GetECDsaPrivateKey()
            ?? throw new ClientException(ExitCode.Failed, $"the certificate of {name} has no ECDSA key");
        // The key first: a certificate without one looks usable and is not.
        WriteNew(Path.Combine(directory, name + ".key"), key.ExportPkcs8PrivateKeyPem(), UnixFileMode.UserRead | UnixFileMode.UserWrite, written);
        WriteNew(
            Path.Combine(directory, name + ".pem"), certificate.ExportCertificatePem(),
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead, written);
    }

    private static void WriteNew(string path, string text, UnixFileMode mode, List<string> written)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = mode;
        }

        using var file = new StreamWriter(path, options);
        file.WriteLine(text);
        written.Add(path);
    }

    private static (string Name, string[] Addresses) ReadNode(string text)
    {
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        string name = equals < 0 ? text : text[..equals];
        CheckName("node", name);
        if (name == "ca")
        {
            throw new CommandLineException("node ca: expected another name; ca.pem and ca.key are the CA's files");
        }

        string[] addresses = equals < 0 ? [] : text[(equals + 1)..].Split(',', StringSplitOptions.TrimEntries);
        return addresses.Any(address => address.Length == 0)
            ? throw new CommandLineException($"node {text}: expected NODE or NODE=ADDRESS,ADDRESS")
            : (name, addresses);
    }

    private static void CheckName(string what, string name)
    {
        if (name.Length is 0 or > LinkOpen.NameLengthMax || name[0] is '.' or '-'
            || !name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_' or '.'))
        {
            throw new CommandLineException(
                $"{what} {name}: expected 1 to {LinkOpen.NameLengthMax} letters, digits, '-', '_' or '.', not beginning with '-' or '.'");
        }
    }
}
