using System.Diagnostics;
using Colo.Vmm.Net;

namespace Colo.Host.Demo;

/// <summary>Frames in one direction of a <see cref="LabWire"/>: each gets the time at which it leaves, or none. Frames
/// of the same time leave in the order in which they came.</summary>
internal sealed class WireDirection
{
    private const int EthernetHead = 14;
    private const int PerMille = 1000;
    private static readonly TimeSpan Late = TimeSpan.FromMilliseconds(10);

    private readonly INetworkBackend to;
    private readonly object gate = new();
    private readonly PriorityQueue<byte[], (long Due, long Number)> waiting = new();
    private WireRule rule = new();
    private long number;
    private long last;
    private long busyUntil;

    public WireDirection(INetworkBackend from, INetworkBackend to)
    {
        this.to = to;
        new Thread(Forward) { IsBackground = true, Name = "colo wire" }.Start();
        from.Received = Take;
    }

    public void Set(WireRule next)
    {
        lock (gate)
        {
            rule = next;
            Monitor.PulseAll(gate);
        }
    }

    private void Take(ReadOnlySpan<byte> frame)
    {
        lock (gate)
        {
            if (Happens(rule.LostPerMille))
            {
                return;
            }

            long now = Stopwatch.GetTimestamp();
            long due = now + Ticks(TimeSpan.FromMilliseconds(rule.DelayMs + Random.Shared.Next(rule.JitterMs + 1)));
            if (rule.BytesPerSecond > 0)
            {
                busyUntil = Math.Max(busyUntil, now);
                if (busyUntil - now > Stopwatch.Frequency)
                {
                    return;
                }

                busyUntil += frame.Length * Stopwatch.Frequency / rule.BytesPerSecond;
                due += busyUntil - now;
            }

            byte[] copy = frame.ToArray();
            if (Happens(rule.DamagedPerMille) && copy.Length > EthernetHead)
            {
                copy[Random.Shared.Next(EthernetHead, copy.Length)] ^= (byte)(1 << Random.Shared.Next(8));
            }

            if (Happens(rule.LatePerMille))
            {
                due += Ticks(Late);
            }
            else
            {
                due = last = Math.Max(due, last);
            }

            waiting.Enqueue(copy, (due, ++number));
            if (Happens(rule.DoubledPerMille))
            {
                waiting.Enqueue(copy, (due, ++number));
            }

            Monitor.PulseAll(gate);
        }
    }

    private void Forward()
    {
        while (true)
        {
            byte[] frame;
            lock (gate)
            {
                while (true)
                {
                    TimeSpan wait = Timeout.InfiniteTimeSpan;
                    if (!rule.Clogged && waiting.TryPeek(out _, out (long Due, long Number) first))
                    {
                        wait = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), first.Due);
                    }

                    if (wait != Timeout.InfiniteTimeSpan && wait <= TimeSpan.Zero)
                    {
                        break;
                    }

                    // A part of a millisecond would be no wait at all.
                    Monitor.Wait(gate, wait > TimeSpan.Zero ? wait + TimeSpan.FromMilliseconds(1) : wait);
                }

                frame = waiting.Dequeue();
            }

            to.Send(frame);
        }
    }

    private static long Ticks(TimeSpan time) => (long)(time.TotalSeconds * Stopwatch.Frequency);

    private static bool Happens(int perMille) => perMille > 0 && Random.Shared.Next(PerMille) < perMille;
}
