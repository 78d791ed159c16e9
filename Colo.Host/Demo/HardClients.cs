using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Colo.Host.Demo;

/// <summary>Clients of the lab that are harder on a guest than most: <c>ports</c> uses the same few ports again and
/// again, <c>storm</c> sends more datagrams than anybody wants.</summary>
internal static class HardClients
{
    private const int FirstPort = 20_000;
    private const int Ports = 4;
    private const int DiscardPort = 9;
    private static readonly TimeSpan Gust = TimeSpan.FromMilliseconds(5);

    /// <summary>HTTP requests, each on a connection of its own from a port that an earlier one had, which the guest may
    /// not have forgotten yet.</summary>
    public static int RunPorts(string address, long seconds, long pauseMs)
    {
        LabClient.ConnectFirst(address, 80).Dispose();
        var meter = new AnswerMeter(TimeSpan.FromSeconds(seconds), LabClient.ReportInterval, LabClient.Print);
        for (int turn = 0; !meter.IsOver; turn++)
        {
            meter.Begin();
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            if (!TryBindAndConnect(socket, FirstPort + (turn % Ports), address))
            {
                continue; // this side's own end of the former connection is not over yet
            }

            string answer = LabClient.Ask(socket, "/index.html");
            if (!answer.EndsWith("hello from the guest\n", StringComparison.Ordinal))
            {
                throw new InvalidDataException($"an answer of {answer.Length} bytes that is not the page");
            }

            meter.Answered();
            Thread.CurrentThread.Join((int)pauseMs);
        }

        meter.End();
        return 0;
    }

    /// <summary>Datagrams to a port where nobody listens, in gusts.</summary>
    public static int RunStorm(string address, long seconds, long packetsPerSecond)
    {
        byte[] datagram = Encoding.ASCII.GetBytes(new string('x', 200));
        var to = new IPEndPoint(IPAddress.Parse(address), DiscardPort);
        // Not connected: the guest's answers that nobody listens are of no interest.
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        var clock = Stopwatch.StartNew();
        var gaps = new GapMeter();
        long sent = 0;
        while (seconds == 0 || clock.Elapsed.TotalSeconds < seconds)
        {
            for (long wanted = (long)(clock.Elapsed.TotalSeconds * packetsPerSecond); sent < wanted; sent++)
            {
                _ = TrySend(socket, datagram, to);
            }

            gaps.Progress();
            gaps.ReportEach(
                LabClient.ReportInterval, gap => LabClient.Print(new ClientReport(LabClient.Now(), sent, gap)));
            Thread.CurrentThread.Join(Gust);
        }

        return 0;
    }

    /// <returns>False when the datagram cannot leave: who storms does not care.</returns>
    private static bool TrySend(Socket socket, byte[] datagram, IPEndPoint to)
    {
        try
        {
            return socket.SendTo(datagram, to) == datagram.Length;
        }
        catch (SocketException problem) when (
            LabClient.IsAway(problem) || problem.SocketErrorCode is SocketError.NoBufferSpaceAvailable)
        {
            return false;
        }
    }

    private static bool TryBindAndConnect(Socket socket, int port, string address)
    {
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Any, port));
            socket.Connect(address, 80);
            return true;
        }
        catch (SocketException problem)
            when (problem.SocketErrorCode is SocketError.AddressAlreadyInUse or SocketError.AddressNotAvailable
                || LabClient.IsAway(problem))
        {
            Thread.CurrentThread.Join(20);
            return false;
        }
    }
}
