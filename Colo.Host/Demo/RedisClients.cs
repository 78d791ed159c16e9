using System.Buffers.Text;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Colo.Host.Demo;

/// <summary>
/// Counts up on some connections at once, one request under way on each, as a server's clients do. Every answer is
/// checked, and at the end that every write which was acknowledged is there.
/// </summary>
internal static class RedisClients
{
    public static int Run(string address, long seconds, long pauseMs, int connections)
    {
        var meter = new AnswerMeter(TimeSpan.FromSeconds(seconds), LabClient.ReportInterval, LabClient.Print);
        List<Counter> counters = [.. Enumerable.Range(0, connections).Select(number => new Counter(address, number))];
        try
        {
            foreach (Counter counter in counters)
            {
                counter.Ask();
            }

            while (!meter.IsOver)
            {
                foreach (Counter counter in Ready(counters))
                {
                    counter.TakeAnswer();
                    meter.Answered(counter.AskedAt);
                    LabClient.Pause(pauseMs);
                    counter.Ask();
                }
            }

            foreach (Counter counter in counters)
            {
                counter.TakeAnswer();
                counter.Check();
            }
        }
        finally
        {
            counters.ForEach(counter => counter.Dispose());
        }

        meter.End();
        return 0;
    }

    /// <summary>Those with an answer; the only one is waited for where it is read.</summary>
    private static List<Counter> Ready(List<Counter> counters)
    {
        if (counters.Count == 1)
        {
            return counters;
        }

        List<Socket> sockets = [.. counters.Select(counter => counter.Socket)];
        Socket.Select(sockets, null, null, LabClient.BootLimit);
        return sockets.Count > 0
            ? counters.FindAll(counter => sockets.Contains(counter.Socket))
            : throw new IOException(
                $"no answer on any of {counters.Count} connections within {LabClient.BootLimit.TotalSeconds:0} s");
    }

    /// <summary>One connection with a key of its own.</summary>
    private sealed class Counter : IDisposable
    {
        private readonly string address;
        private readonly string key;
        private readonly byte[] command;
        private readonly byte[] buffer = new byte[64];
        private long last;

        public Counter(string address, int number)
        {
            this.address = address;
            key = number == 0 ? "colo" : string.Create(CultureInfo.InvariantCulture, $"colo{number}");
            command = Encoding.ASCII.GetBytes($"INCR {key}\r\n");
            Socket = LabClient.ConnectFirst(address, 6379);
            last = Stored();
        }

        public Socket Socket { get; }

        /// <summary>Time of the stopwatch.</summary>
        public long AskedAt { get; private set; }

        public void Ask()
        {
            AskedAt = Stopwatch.GetTimestamp();
            Socket.Send(command);
        }

        public void TakeAnswer()
        {
            int length = 0;
            while (length == 0 || buffer[length - 1] != '\n')
            {
                int more = length < buffer.Length ? Socket.Receive(buffer.AsSpan(length)) : 0;
                length = more > 0 ? length + more : throw new IOException($"the connection of {key} ended");
            }

            Span<byte> answer = buffer.AsSpan(0, length);
            bool isRight = answer[0] == ':' && answer.EndsWith("\r\n"u8)
                && Utf8Parser.TryParse(answer[1..], out long count, out int digits)
                && digits == length - 3 && count == last + 1;
            if (!isRight)
            {
                throw new InvalidDataException(
                    $"INCR {key} after {last} was answered with '{Encoding.ASCII.GetString(answer).Trim()}'");
            }

            last++;
        }

        /// <summary>Asks on another connection for what was acknowledged on this one.</summary>
        public void Check()
        {
            long stored = Stored();
            if (stored != last)
            {
                throw new InvalidDataException($"{key} was acknowledged up to {last}, and the guest has {stored}");
            }
        }

        public void Dispose() => Socket.Dispose();

        private long Stored()
        {
            using Socket other = LabClient.ConnectFirst(address, 6379);
            using var answer = new StreamReader(new NetworkStream(other), Encoding.ASCII);
            other.Send(Encoding.ASCII.GetBytes($"GET {key}\r\n"));
            string? length = answer.ReadLine();
            string? value = length == "$-1" ? "0" : answer.ReadLine();
            return long.TryParse(value, CultureInfo.InvariantCulture, out long stored) ? stored
                : throw new InvalidDataException($"GET {key} was answered with '{length} {value}'");
        }
    }
}
