using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using Colo.Vmm.Machine;
using Colo.Vmm.Net;
using Colo.Vmm.Net.Backends;

namespace Colo.EndToEnd.Machine;

/// <summary>The Debian guest of guests/debian for tests, and a client that talks to its web server.</summary>
internal static class DebianGuest
{
    /// <summary>Generous: the machine that runs the tests may be slow and shared.</summary>
    public static readonly TimeSpan BootLimit = TimeSpan.FromMinutes(10);

    public const string ReadyText = "colo-guest: ready";

    public static string Folder
    {
        get
        {
            string cache = Environment.GetEnvironmentVariable("COLO_CACHE")
                ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache", "colo");
            using Process build = Process.Start(new ProcessStartInfo(Path.Combine(SourceRoot, "guests", "debian", "build"), ["debian"]))!;
            build.WaitForExit();
            Assert.Equal(0, build.ExitCode);
            return Path.Combine(cache, "guests", "debian");
        }
    }

    public static string SourceRoot
    {
        get
        {
            DirectoryInfo? folder = new(AppContext.BaseDirectory);
            while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Colo.sln")))
            {
                folder = folder.Parent;
            }

            return folder?.FullName ?? throw new InvalidOperationException("the tests do not run inside the source tree");
        }
    }

    public static MachineOptions Options(ConsoleRecorder console, INetworkBackend? network, params DiskOptions[] disks)
    {
        string folder = Folder;
        return new MachineOptions
        {
            MemoryBytes = 256 << 20,
            KernelPath = Path.Combine(folder, "Image"),
            InitrdPath = Path.Combine(folder, "initrd.img"),
            // Without "quiet" a line of the kernel may come in the middle of what a test waits for.
            CommandLine = $"console=ttyS0 quiet colo.ip={NetworkNamespace.GuestAddress}/24",
            Console = console,
            Nics = network is null ? [] : [new NicOptions(network, [0x52, 0x54, 0, 0x77, 0, 2])],
            Disks = disks,
        };
    }

    public static TapBackend OpenTap(NetworkNamespace network) => network.Run(() => new TapBackend(NetworkNamespace.TapName));

    /// <summary>GET over HTTP/1.0 from inside the namespace; returns the body.</summary>
    public static byte[] Get(string path, TimeSpan limit, string address = NetworkNamespace.GuestAddress, int port = 80)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
        {
            ReceiveTimeout = (int)limit.TotalMilliseconds,
        };
        socket.Connect(address, port);
        socket.Send(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.0\r\n\r\n"));
        using var answer = new MemoryStream();
        var buffer = new byte[65536];
        int got;
        while ((got = socket.Receive(buffer)) > 0)
        {
            answer.Write(buffer, 0, got);
        }

        byte[] all = answer.ToArray();
        int body = all.AsSpan().IndexOf("\r\n\r\n"u8);
        Assert.True(body > 0, $"no HTTP answer: {Encoding.Latin1.GetString(all)}");
        return all[(body + 4)..];
    }

    /// <summary>What /cgi-bin/blob gives: 1\n2\n3\n..., cut at the length.</summary>
    public static byte[] ExpectedBlob(int length)
    {
        var content = new byte[length + 16];
        int at = 0;
        for (int number = 1; at < length; number++)
        {
            at += Encoding.ASCII.GetBytes($"{number}\n", content.AsSpan(at));
        }

        return content[..length];
    }
}
