using System.Globalization;
using System.Net;

namespace Colo.Host.Faults;

/// <summary>
/// This process hears nothing of some addresses until it is disposed of (F09, F10): every socket that it has, and those
/// that it opens meanwhile, some milliseconds later. What it sends still leaves, but TCP needs answers: within a second
/// the other direction is silent as well, unless the peer suffers the same, which makes it so at once.
/// </summary>
internal sealed class LinkLoss : IDisposable
{
    private const string Descriptors = "/proc/self/fd";
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(20);

    private readonly IReadOnlyCollection<IPAddress> from;
    private readonly Lock gate = new();
    private readonly ITimer timer;
    private bool ended;

    /// <param name="from">Addresses that are not heard.</param>
    /// <param name="after">When it begins.</param>
    public LinkLoss(IReadOnlyCollection<IPAddress> from, TimeSpan after, TimeProvider time)
    {
        this.from = from;
        timer = time.CreateTimer(_ => Attach(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        timer.Change(after, Period);
    }

    public void Dispose()
    {
        timer.Dispose();
        lock (gate)
        {
            ended = true;
            foreach (int socket in Sockets())
            {
                SocketFilter.TryDetach(socket);
            }
        }
    }

    private void Attach()
    {
        lock (gate)
        {
            if (ended)
            {
                return;
            }

            foreach (int socket in Sockets())
            {
                SocketFilter.TryAttach(socket, from);
            }
        }
    }

    /// <summary>The numbers of this process's sockets.</summary>
    private static IEnumerable<int> Sockets()
    {
        foreach (string path in Directory.EnumerateFileSystemEntries(Descriptors))
        {
            string? target;
            try
            {
                target = new FileInfo(path).LinkTarget;
            }
            catch (IOException)
            {
                continue; // closed meanwhile
            }

            if (target?.StartsWith("socket:", StringComparison.Ordinal) == true
                && int.TryParse(
                    Path.GetFileName(path), NumberStyles.None, CultureInfo.InvariantCulture, out int number))
            {
                yield return number;
            }
        }
    }
}
