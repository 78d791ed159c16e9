using System.Security.Cryptography;
using Colo.Actors.Protocol;
using Colo.Actors.Protocol.Wire;
using Colo.Vmm.Block;
using Google.Protobuf;

namespace Colo.Actors.Arbiter;

/// <summary>
/// The records that a witness keeps: one file a VM, SHA-256 of the rest in its first 32 bytes, then protobuf WireRecord.
/// A change is durable before it is answered: written beside, synced, renamed over the old one, the directory synced. A
/// file that is damaged is an unknown record, never a missing one: nobody may become owner because a disk forgot.
/// </summary>
public sealed class WitnessStore(string directory)
{
    private const int DigestLength = 32;
    private readonly Lock gate = new();

    /// <summary>Answers a question; a null proposal reads.</summary>
    public ArbiterAnswer Answer(VmId vm, ArbiterProposal? proposal)
    {
        lock (gate)
        {
            try
            {
                if (!TryRead(vm, out ArbiterRecord? current, out string? damage))
                {
                    return new ArbiterAnswer.Unknown(damage!);
                }

                ArbiterAnswer answer = proposal is null ? ArbiterRules.Read(current) : ArbiterRules.Decide(current, proposal);
                if (proposal is not null && answer is ArbiterAnswer.Granted granted && granted.Record != current)
                {
                    Write(vm, granted.Record);
                }

                return answer;
            }
            catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
            {
                return new ArbiterAnswer.Unknown($"the witness's storage: {problem.Message}");
            }
        }
    }

    /// <summary>Names are the cluster's, but they end in a path: everything else than the characters of a VM's name is refused.</summary>
    private string PathOf(VmId vm) =>
        vm.Name.Length is > 0 and <= 64 && vm.Name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_')
            ? Path.Combine(directory, vm.Name + ".record")
            : throw new IOException($"'{vm.Name}' is no name of a VM");

    private bool TryRead(VmId vm, out ArbiterRecord? record, out string? damage)
    {
        record = null;
        damage = null;
        string path = PathOf(vm);
        if (!File.Exists(path))
        {
            return true;
        }

        byte[] bytes = File.ReadAllBytes(path);
        if (bytes.Length > DigestLength
            && SHA256.HashData(bytes.AsSpan(DigestLength)).AsSpan().SequenceEqual(bytes.AsSpan(0, DigestLength)))
        {
            try
            {
                record = PeerCodec.FromWire(WireRecord.Parser.ParseFrom(bytes.AsSpan(DigestLength)));
            }
            catch (InvalidProtocolBufferException)
            {
                // Falls through to the damage below.
            }
        }

        damage = record is null ? $"the record file {path} is damaged" : null;
        return record is not null;
    }

    private void Write(VmId vm, ArbiterRecord record)
    {
        Directory.CreateDirectory(directory);
        byte[] body = PeerCodec.ToWire(record).ToByteArray();
        string path = PathOf(vm);
        string beside = path + ".new";
        using (FileStream file = new(beside, FileMode.Create, FileAccess.Write))
        {
            file.Write(SHA256.HashData(body));
            file.Write(body);
            file.Flush(flushToDisk: true);
        }

        // Rename after sync: a crash leaves the old record or the new one, never half of one.
        File.Move(beside, path, overwrite: true);
        DirectorySync.Flush(directory);
    }
}
