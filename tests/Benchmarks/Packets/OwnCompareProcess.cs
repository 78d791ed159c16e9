using System.Diagnostics;
using System.Net.Sockets;
using Colo.Vmm.Net;

namespace Colo.Benchmarks.Packets;

/// <summary>Our comparer as a process of its own, so that its processor time is counted as QEMU's is.</summary>
internal sealed class OwnCompareProcess : IDisposable
{
    /// <summary>The argument that makes this program the comparer's process.</summary>
    public const string Verb = "packets-endpoint";

    private readonly string directory = Directory.CreateTempSubdirectory("colo-compare-").FullName;
    private readonly Process process;

    public OwnCompareProcess()
    {
        Socket[] listeners = [Listen("pri"), Listen("sec"), Listen("out")];
        var start = new ProcessStartInfo(Environment.ProcessPath!);
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
        {
            start.ArgumentList.Add(typeof(OwnCompareProcess).Assembly.Location);
        }
        start.ArgumentList.Add(Verb);
        start.ArgumentList.Add(directory);
        process = Process.Start(start)!;
        Primary = listeners[0].Accept();
        Secondary = listeners[1].Accept();
        Output = listeners[2].Accept();
        Array.ForEach(listeners, l => l.Dispose());
    }

    public Socket Primary { get; }

    public Socket Secondary { get; }

    public Socket Output { get; }

    public TimeSpan ProcessorTime
    {
        get
        {
            process.Refresh();
            return process.TotalProcessorTime;
        }
    }

    /// <summary>The other side: runs a comparer on the three sockets until the output is closed.</summary>
    public static int Serve(string directory)
    {
        using var closed = new ManualResetEventSlim();
        var options = new ComparerOptions { CompareTimeout = TimeSpan.FromMinutes(10) };
        using var compare = new CompareEndpoint(Connect("pri"), Connect("sec"), Connect("out"), options, TimeProvider.System);
        compare.InputClosed += closed.Set;
        closed.Wait();
        return 0;
        Socket Connect(string name)
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.Connect(new UnixDomainSocketEndPoint(Path.Combine(directory, name)));
            return socket;
        }
    }

    public void Dispose()
    {
        Primary.Dispose();
        Secondary.Dispose();
        Output.Dispose();
        if (!process.WaitForExit(TimeSpan.FromSeconds(30)))
        {
            process.Kill();
            process.WaitForExit();
        }
        process.Dispose();
        Directory.Delete(directory, recursive: true);
    }

    private Socket Listen(string name)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(Path.Combine(directory, name)));
        socket.Listen();
        return socket;
    }
}
