using System.Globalization;
using Colo.Actors.Arbiter;
using Colo.Actors.Protocol;

namespace Colo.Host.Node;

/// <summary>
/// The last term in which this host's disk of a VM was in step with the VM's history, kept in the state directory so
/// that a restarted host can tell it to the owner. Written after the fact: an older term only makes the copy longer.
/// That there is one at all tells a host that comes back from one whose disks were lost, so the first is durable.
/// </summary>
internal sealed class RememberedTerms
{
    private readonly string folder;
    private readonly Dictionary<string, long> terms = new(StringComparer.Ordinal);
    private readonly Lock gate = new();

    public RememberedTerms(string stateDirectory)
    {
        folder = Path.Combine(stateDirectory, "terms");
        Directory.CreateDirectory(folder);
        foreach (string path in Directory.GetFiles(folder))
        {
            string name = Path.GetFileName(path);
            if (long.TryParse(File.ReadAllText(path), NumberStyles.None, CultureInfo.InvariantCulture, out long term))
            {
                terms[name] = term;
            }
            else if (!name.StartsWith('.'))
            {
                terms[name] = 1; // a loss of power has taken the number, but the VM was here
            }
        }
    }

    public Term Of(string vm)
    {
        lock (gate)
        {
            return new Term(terms.GetValueOrDefault(vm));
        }
    }

    /// <summary>The VM is no more; another one may get its name.</summary>
    public void Forget(string vm)
    {
        lock (gate)
        {
            if (terms.Remove(vm))
            {
                File.Delete(Path.Combine(folder, vm));
            }
        }
    }

    public void Note(string vm, VmStatus status)
    {
        if (status.State is not ("Primary" or "Secondary" or "Solo" or "Booting" or "SecondaryAsking"))
        {
            return;
        }

        bool first;
        lock (gate)
        {
            first = !terms.ContainsKey(vm);
            if (terms.GetValueOrDefault(vm) == status.Term.Value)
            {
                return;
            }

            terms[vm] = status.Term.Value;
        }

        try
        {
            string beside = Path.Combine(folder, "." + vm);
            using (FileStream file = new(beside, FileMode.Create, FileAccess.Write))
            {
                string number = status.Term.Value.ToString(CultureInfo.InvariantCulture);
                file.Write(System.Text.Encoding.ASCII.GetBytes(number));
                file.Flush(flushToDisk: first);
            }

            File.Move(beside, Path.Combine(folder, vm), overwrite: true);
            if (first)
            {
                DurableFile.FlushDirectory(folder);
            }
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            // Not remembered: the next copy compares more than it needed to.
        }
    }
}
