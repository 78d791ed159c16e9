using Colo.Actors.Protocol;

namespace Colo.Actors.Arbiter;

/// <summary>
/// What a witness node keeps: one file per VM, replaced durably before an answer is given, read again at each start.
/// Only one process may use the directory; other nodes ask the witness by messages.
/// </summary>
public sealed class WitnessArbiterStore : IArbiter
{
    private readonly string _directory;
    private readonly Lock _lock = new();
    private readonly Dictionary<VmId, ArbiterRecord> _records = [];

    /// <exception cref="InvalidDataException">A record is damaged. A witness that has forgotten must not
    /// answer.</exception>
    public WitnessArbiterStore(string directory)
    {
        _directory = directory;
        Directory.CreateDirectory(directory);
        foreach (string path in Directory.EnumerateFiles(directory, "*.record"))
        {
            ArbiterRecord record = ArbiterRecordText.Decode(File.ReadAllText(path))
                ?? throw new InvalidDataException($"{path} is not an undamaged record; restore it or remove it after both hosts are stopped");
            _records[record.Vm] = record;
        }
    }

    /// <summary>Both methods answer at once; they are asynchronous only by interface.</summary>
    public ValueTask<ArbiterAnswer> ReadAsync(VmId vm, CancellationToken cancellation) => ValueTask.FromResult(Read(vm));

    public ValueTask<ArbiterAnswer> CompareAndSetAsync(ArbiterProposal proposal, CancellationToken cancellation) =>
        ValueTask.FromResult(CompareAndSet(proposal));

    public ArbiterAnswer Read(VmId vm)
    {
        lock (_lock)
        {
            return ArbiterRules.Read(_records.GetValueOrDefault(vm));
        }
    }

    public ArbiterAnswer CompareAndSet(ArbiterProposal proposal)
    {
        lock (_lock)
        {
            ArbiterAnswer answer = ArbiterRules.Decide(_records.GetValueOrDefault(proposal.Next.Vm), proposal);
            return answer is ArbiterAnswer.Granted granted ? Store(granted.Record) : answer;
        }
    }

    /// <summary>Puts a record in that was decided elsewhere, if it is newer.</summary>
    internal ArbiterAnswer Adopt(ArbiterRecord record)
    {
        lock (_lock)
        {
            ArbiterRecord? current = _records.GetValueOrDefault(record.Vm);
            return current is null || record.Term > current.Term ? Store(record) : new ArbiterAnswer.Granted(current);
        }
    }

    private ArbiterAnswer Store(ArbiterRecord record)
    {
        try
        {
            DurableFile.Replace(_directory, Uri.EscapeDataString(record.Vm.Name) + ".record", ArbiterRecordText.Encode(record));
            _records[record.Vm] = record;
            return new ArbiterAnswer.Granted(record);
        }
        catch (Exception trouble) when (trouble is IOException or UnauthorizedAccessException)
        {
            return new ArbiterAnswer.Unknown(trouble.Message);
        }
    }
}
