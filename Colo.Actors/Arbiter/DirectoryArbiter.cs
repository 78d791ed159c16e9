using System.Collections.Concurrent;
using System.Globalization;
using Colo.Actors.Protocol;

namespace Colo.Actors.Arbiter;

/// <summary>
/// A directory on storage that all hosts reach. Term n of a VM is the file <c>VM/term-n</c>; it is created complete and
/// only if it does not exist (link(2), which is atomic on local file systems and on NFS), so exactly one host can make
/// the step from n-1 to n. The highest number is the record in force. Trouble with the storage is Unknown.
/// </summary>
public sealed class DirectoryArbiter(string directory) : IArbiter
{
    /// <summary>Older terms are removed; some are kept for people who look.</summary>
    private const int KeptTerms = 16;

    // One question of a VM at a time: what hangs in the system keeps its thread, and askers ask again for hours.
    private readonly ConcurrentDictionary<VmId, SemaphoreSlim> turns = new();

    public ValueTask<ArbiterAnswer> ReadAsync(VmId vm, CancellationToken cancellation) =>
        RunAsync(vm, () => ArbiterRules.Read(ReadCurrent(vm)), cancellation);

    public ValueTask<ArbiterAnswer> CompareAndSetAsync(ArbiterProposal proposal, CancellationToken cancellation) =>
        RunAsync(proposal.Next.Vm, () => CompareAndSet(proposal), cancellation);

    private ArbiterAnswer CompareAndSet(ArbiterProposal proposal)
    {
        ArbiterRecord? current = ReadCurrent(proposal.Next.Vm);
        ArbiterAnswer answer = ArbiterRules.Decide(current, proposal);
        if (answer is not ArbiterAnswer.Granted || current == proposal.Next)
        {
            return answer;
        }

        string folder = FolderOf(proposal.Next.Vm);
        Directory.CreateDirectory(folder);
        DurableFile.FlushDirectory(directory);
        bool created = DurableFile.TryCreate(folder, NameOf(proposal.Next.Term), ArbiterRecordText.Encode(proposal.Next));

        // Somebody may have gone further meanwhile, even so far that the file of this term had been removed: the
        // highest number counts.
        ArbiterRecord? after = ReadCurrent(proposal.Next.Vm);
        if (created && after == proposal.Next)
        {
            RemoveOld(folder, proposal.Next.Term);
        }

        return ArbiterRules.Decide(after, proposal) is ArbiterAnswer.Granted && after == proposal.Next
            ? new ArbiterAnswer.Granted(proposal.Next)
            : new ArbiterAnswer.Refused(after, ArbiterRefusal.TermMoved);
    }

    private ArbiterRecord? ReadCurrent(VmId vm)
    {
        string folder = FolderOf(vm);
        if (!Directory.Exists(folder))
        {
            return Directory.Exists(directory) ? null : throw new IOException($"{directory} is not there; is the shared storage mounted?");
        }

        long highest = 0;
        foreach (string path in Directory.EnumerateFiles(folder, "term-*"))
        {
            if (long.TryParse(Path.GetFileName(path)[5..], NumberStyles.None, CultureInfo.InvariantCulture, out long term))
            {
                highest = Math.Max(highest, term);
            }
        }

        if (highest == 0)
        {
            return null;
        }

        DurableFile.FlushDirectory(folder); // what is answered must not vanish: its maker may have died before its own flush
        string text = File.ReadAllText(Path.Combine(folder, NameOf(new Term(highest))));
        ArbiterRecord? record = ArbiterRecordText.Decode(text);
        return record is not null && record.Vm == vm && record.Term.Value == highest
            ? record
            : throw new IOException($"{folder}: the record of term {highest} is damaged");
    }

    private static void RemoveOld(string folder, Term newest)
    {
        for (long term = newest.Value - KeptTerms; term > 0; term--)
        {
            string path = Path.Combine(folder, NameOf(new Term(term)));
            if (!File.Exists(path))
            {
                break;
            }

            File.Delete(path);
        }
    }

    private async ValueTask<ArbiterAnswer> RunAsync(VmId vm, Func<ArbiterAnswer> work, CancellationToken cancellation)
    {
        SemaphoreSlim turn = turns.GetOrAdd(vm, _ => new SemaphoreSlim(1));
        try
        {
            await turn.WaitAsync(cancellation).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return new ArbiterAnswer.Unknown($"{directory} has not answered an earlier question yet");
        }

        Task<ArbiterAnswer> asked = Task.Run(work, CancellationToken.None);
        _ = asked.ContinueWith(
            _ => turn.Release(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
        try
        {
            // Storage that hangs must not hang the caller: the answer is Unknown, and what still happens is found by
            // the next question.
            return await asked.WaitAsync(cancellation).ConfigureAwait(false);
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException or OperationCanceledException)
        {
            return new ArbiterAnswer.Unknown(trouble.Message);
        }
    }

    private string FolderOf(VmId vm) => Path.Combine(directory, Uri.EscapeDataString(vm.Name));

    private static string NameOf(Term term) => string.Create(CultureInfo.InvariantCulture, $"term-{term.Value:D12}");
}
