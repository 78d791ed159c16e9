using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Colo.Host.Demo;

/// <summary>What a client of the lab reports, one JSON object a line.</summary>
/// <param name="AtMs">Unix time in milliseconds.</param>
/// <param name="Bytes">Bytes received and checked so far; for small requests, the number answered.</param>
/// <param name="GapMs">Longest time without progress since the last line.</param>
/// <param name="Error">Why it ended, or null.</param>
/// <param name="Done">Whether everything asked for has arrived.</param>
/// <param name="HashOk">Whether every byte was the right one.</param>
/// <param name="Seconds">At the end: how long it took; of small requests, how long they were measured.</param>
/// <param name="PerSecond">At the end of small requests: answers a second, measured after a warm-up.</param>
/// <param name="MedianMs">At the end of small requests: median of the times from question to answer.</param>
/// <param name="P99Ms">At the end of small requests: 99th percentile.</param>
public sealed record ClientReport(
    long AtMs, long Bytes, double GapMs, string? Error = null, bool Done = false, bool HashOk = true,
    double Seconds = 0, double PerSecond = 0, double MedianMs = 0, double P99Ms = 0);

/// <summary>
/// The clients of the demo and the end-to-end tests; they run as processes of their own in the client's namespace, and
/// know nothing of failovers. <c>download</c>: one TCP connection, every byte checked against the sequence that the
/// guest serves. <c>bulk</c>: a file of zeros as fast as it comes. <c>requests</c>: small HTTP requests, one after
/// another, each on a connection of its own. <c>redis</c>: INCR on one connection, every answer checked;
/// <c>redis-many</c>: the same on eight at once.
/// <c>records</c>: HTTP requests that the guest answers when it has a record on its disk. <c>echo</c>: datagrams.
/// <c>ports</c> and <c>storm</c>: <see cref="HardClients"/>.
/// </summary>
internal static class LabClient
{
    public static readonly TimeSpan ReportInterval = TimeSpan.FromMilliseconds(100);

    public static readonly TimeSpan BootLimit = TimeSpan.FromMinutes(3);

    /// <summary>How long an answer may take: a hang, not a guest that is held until an arbiter is there
    /// again.</summary>
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromMinutes(2);

    /// <param name="kind">download, bulk, requests, redis, redis-many, records, echo, ports or storm.</param>
    /// <param name="address">The guest's.</param>
    /// <param name="amount">download: bytes; records: number of the first one; the others: seconds, 0 for ever.</param>
    /// <param name="rate">download: bytes a second, 0 for as fast as it goes; storm: datagrams a second; the others:
    /// milliseconds between two requests.</param>
    public static int Run(string kind, string address, long amount, long rate)
    {
        try
        {
            return kind switch
            {
                "download" => Download(address, amount, rate),
                "bulk" => Bulk(address, amount),
                "requests" => Requests(address, amount, rate),
                "redis" => RedisClients.Run(address, amount, rate, connections: 1),
                "redis-many" => RedisClients.Run(address, amount, rate, connections: 8),
                "records" => Records(address, amount, rate),
                "echo" => Echo(address, amount, rate),
                "ports" => HardClients.RunPorts(address, amount, rate),
                "storm" => HardClients.RunStorm(address, amount, rate),
                _ => throw new ArgumentException(
                    $"client '{kind}': expected download, bulk, requests, redis, redis-many, records, echo, ports or storm"),
            };
        }
        catch (Exception problem) when (problem is IOException or SocketException or InvalidDataException)
        {
            Print(new ClientReport(Now(), 0, 0, problem.Message, HashOk: problem is not InvalidDataException));
            return 1;
        }
    }

    private static int Download(string address, long bytes, long bytesPerSecond)
    {
        using Socket socket = ConnectFirst(address, 80);
        socket.Send(Encoding.ASCII.GetBytes($"GET /cgi-bin/blob?{bytes} HTTP/1.0\r\nHost: guest\r\n\r\n"));
        using var stream = new NetworkStream(socket);
        SkipHead(stream);
        var expected = new CountingSequence();
        byte[] buffer = new byte[64 << 10];
        byte[] wanted = new byte[64 << 10];
        var clock = Stopwatch.StartNew();
        var gaps = new GapMeter();
        long received = 0;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var right = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        while (received < bytes)
        {
            // Paced, so that the download lasts while hosts come and go.
            double ahead = bytesPerSecond > 0 ? (received / (double)bytesPerSecond) - clock.Elapsed.TotalSeconds : 0;
            if (ahead > 0.01)
            {
                Thread.CurrentThread.Join(TimeSpan.FromSeconds(Math.Min(ahead, 0.05)));
            }

            int length = stream.Read(buffer, 0, (int)Math.Min(buffer.Length, bytes - received));
            if (length == 0)
            {
                throw new IOException($"the connection ended after {received} of {bytes} bytes");
            }

            expected.Next(wanted.AsSpan(0, length));
            if (!buffer.AsSpan(0, length).SequenceEqual(wanted.AsSpan(0, length)))
            {
                throw new InvalidDataException($"a wrong byte among {received} to {received + length}");
            }

            hash.AppendData(buffer, 0, length);
            right.AppendData(wanted, 0, length);
            received += length;
            gaps.Progress();
            gaps.ReportEach(ReportInterval, gap => Print(new ClientReport(Now(), received, gap)));
        }

        bool equal = hash.GetHashAndReset().AsSpan().SequenceEqual(right.GetHashAndReset());
        Print(new ClientReport(Now(), received, gaps.Longest, Done: true, HashOk: equal, Seconds: clock.Elapsed.TotalSeconds));
        return equal ? 0 : 1;
    }

    private static int Bulk(string address, long bytes)
    {
        using Socket socket = ConnectFirst(address, 80);
        socket.Send(Encoding.ASCII.GetBytes("GET /zeros HTTP/1.0\r\nHost: guest\r\n\r\n"));
        using var stream = new NetworkStream(socket);
        SkipHead(stream);
        byte[] buffer = new byte[256 << 10];
        var clock = Stopwatch.StartNew();
        var gaps = new GapMeter();
        long received = 0;
        while (received < bytes)
        {
            int length = stream.Read(buffer, 0, (int)Math.Min(buffer.Length, bytes - received));
            if (length == 0)
            {
                throw new IOException($"the connection ended after {received} of {bytes} bytes");
            }

            if (buffer.AsSpan(0, length).ContainsAnyExcept((byte)0))
            {
                throw new InvalidDataException($"a byte that is not zero among {received} to {received + length}");
            }

            received += length;
            gaps.Progress();
            gaps.ReportEach(ReportInterval, gap => Print(new ClientReport(Now(), received, gap)));
        }

        Print(new ClientReport(Now(), received, gaps.Longest, Done: true, Seconds: clock.Elapsed.TotalSeconds));
        return 0;
    }

    private static int Requests(string address, long seconds, long pauseMs)
    {
        ConnectFirst(address, 80).Dispose();
        var meter = new AnswerMeter(TimeSpan.FromSeconds(seconds), ReportInterval, Print);
        while (!meter.IsOver)
        {
            meter.Begin();
            string answer = Get(address, "/index.html");
            if (!answer.EndsWith("hello from the guest\n", StringComparison.Ordinal))
            {
                throw new InvalidDataException($"an answer of {answer.Length} bytes that is not the page");
            }

            meter.Answered();
            Pause(pauseMs);
        }

        meter.End();
        return 0;
    }

    /// <summary>Records one after another, each on the guest's disk before it is answered.</summary>
    private static int Records(string address, long first, long pauseMs)
    {
        ConnectFirst(address, 80).Dispose();
        var meter = new AnswerMeter(TimeSpan.Zero, ReportInterval, Print);
        while (!meter.IsOver)
        {
            meter.Begin();
            string number = (first + meter.Count).ToString(CultureInfo.InvariantCulture);
            string answer = Get(address, $"/cgi-bin/record?{number}");
            if (!answer.EndsWith($"\r\n\r\n{number}\n", StringComparison.Ordinal))
            {
                throw new InvalidDataException($"record {number} was answered with '{answer}'");
            }

            meter.Answered();
            Pause(pauseMs);
        }

        meter.End();
        return 0;
    }

    /// <summary>Waits between two requests, where a pause was asked for.</summary>
    public static void Pause(long milliseconds)
    {
        if (milliseconds > 0)
        {
            Thread.CurrentThread.Join((int)milliseconds);
        }
    }

    /// <summary>Head and body of the answer to one request on a connection of its own.</summary>
    private static string Get(string address, string path)
    {
        using Socket socket = Connect(address, 80);
        return Ask(socket, path);
    }

    /// <summary>The same on a connection that is there.</summary>
    public static string Ask(Socket socket, string path)
    {
        byte[] buffer = new byte[4096];
        socket.ReceiveTimeout = (int)AnswerLimit.TotalMilliseconds;
        socket.Send(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.0\r\nHost: guest\r\n\r\n"));
        int total = 0;
        int length;
        while ((length = socket.Receive(buffer, total, buffer.Length - total, SocketFlags.None)) > 0)
        {
            total += length;
        }

        return Encoding.ASCII.GetString(buffer, 0, total);
    }

    /// <summary>Datagrams to the echo service: lost ones are sent again, a wrong answer is an error.</summary>
    private static int Echo(string address, long seconds, long pauseMs)
    {
        var meter = new AnswerMeter(TimeSpan.FromSeconds(seconds), ReportInterval, Print);
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 500 };
        socket.Connect(address, 7);
        byte[] answer = new byte[2048];
        while (!meter.IsOver)
        {
            byte[] question = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"datagram {meter.Count + 1}\n"));
            meter.Begin();
            for (bool answered = false; !answered && !meter.IsOver;)
            {
                answered = TrySend(socket, question) && ReceiveEcho(socket, answer, question);
            }

            meter.Answered();
            Pause(pauseMs);
        }

        meter.End();
        return 0;
    }

    /// <returns>False when the guest's answer to an earlier datagram was that nobody listens yet, or when it is away
    /// for so long that its address is asked for in vain.</returns>
    private static bool TrySend(Socket socket, byte[] question)
    {
        try
        {
            socket.Send(question);
            return true;
        }
        catch (SocketException problem) when (
            problem.SocketErrorCode is SocketError.ConnectionRefused || IsAway(problem))
        {
            Thread.CurrentThread.Join(20);
            return false;
        }
    }

    /// <returns>False when nothing came in time; answers to earlier copies of a datagram are passed over.</returns>
    private static bool ReceiveEcho(Socket socket, byte[] answer, byte[] question)
    {
        while (true)
        {
            int length;
            try
            {
                length = socket.Receive(answer);
            }
            catch (SocketException problem) when (problem.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock
                or SocketError.ConnectionRefused || IsAway(problem))
            {
                return false;
            }

            ReadOnlySpan<byte> got = answer.AsSpan(0, length);
            if (got.SequenceEqual(question))
            {
                return true;
            }

            if (!got.StartsWith("datagram "u8))
            {
                throw new InvalidDataException($"a datagram of {length} bytes that nobody has sent");
            }
        }
    }

    /// <summary>The guest may still be booting; from the first connection on nothing is forgiven.</summary>
    public static Socket ConnectFirst(string address, int port)
    {
        long began = Stopwatch.GetTimestamp();
        while (true)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
            {
                NoDelay = true,
                ReceiveTimeout = (int)BootLimit.TotalMilliseconds,
            };
            try
            {
                socket.Connect(address, port);
                return socket;
            }
            catch (SocketException) when (Stopwatch.GetElapsedTime(began) < BootLimit)
            {
                socket.Dispose();
                Thread.CurrentThread.Join(100);
            }
        }
    }

    /// <summary>A connection of a client that goes on asking while nobody answers for the guest's address: a kernel
    /// says so after some seconds, and a guest may be held for longer.</summary>
    private static Socket Connect(string address, int port)
    {
        long began = Stopwatch.GetTimestamp();
        while (true)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                socket.Connect(address, port);
                return socket;
            }
            catch (SocketException problem) when (
                IsAway(problem) && Stopwatch.GetElapsedTime(began) < AnswerLimit)
            {
                socket.Dispose();
                Thread.CurrentThread.Join(20);
            }
        }
    }

    /// <summary>Nobody answers for the guest's address.</summary>
    public static bool IsAway(SocketException problem) =>
        problem.SocketErrorCode is SocketError.HostUnreachable or SocketError.HostDown;

    private static void SkipHead(Stream stream)
    {
        int newlines = 0;
        while (newlines < 2)
        {
            int value = stream.ReadByte();
            if (value < 0)
            {
                throw new IOException("the connection ended in the head of the answer");
            }

            newlines = value == '\n' ? newlines + 1 : value == '\r' ? newlines : 0;
        }
    }

    internal static long Now() => DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();

    public static void Print(ClientReport report) => Console.WriteLine(JsonSerializer.Serialize(report, JsonSerializerOptions.Web));
}
