using System.Globalization;
using System.Security.Cryptography;
using Colo.Actors.Arbiter;
using Colo.Actors.Protocol;

namespace Colo.Host.Node;

/// <summary>
/// Counts the lives of a node in its state directory, so that a host that has restarted is never taken for the one that
/// left. A new directory begins anywhere: it may stand for one that was lost, and its peers still know the lives of that
/// one. They do not hear the heartbeats of a life that is over.
/// </summary>
internal static class NodeIncarnation
{
    private const int FirstMax = 1_000_000_000;

    /// <summary>Takes the next number; durable before it is used.</summary>
    /// <exception cref="InvalidDataException">The file holds something else than a number.</exception>
    public static Incarnation Next(string directory)
    {
        Directory.CreateDirectory(directory);
        string path = Path.Combine(directory, "incarnation");
        long last;
        if (!File.Exists(path))
        {
            last = RandomNumberGenerator.GetInt32(FirstMax);
        }
        else if (!long.TryParse(File.ReadAllText(path).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out last))
        {
            throw new InvalidDataException($"{path} holds no number; remove the state directory only if no peer counts on this node");
        }

        DurableFile.Replace(directory, "incarnation", (last + 1).ToString(CultureInfo.InvariantCulture));
        return new Incarnation(last + 1);
    }
}
