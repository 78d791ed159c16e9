using System.Diagnostics;
using Colo.Actors.Arbiter;
using Colo.Actors.Protocol;

namespace Colo.Actors.Tests.Arbiter;

public sealed class ArbiterStoreTests : IDisposable
{
    private static readonly VmId Vm = new("vm/1");
    private static readonly HostIdentity A = new(new HostId("a"), new Incarnation(1));
    private static readonly HostIdentity B = new(new HostId("b"), new Incarnation(7));

    private readonly string _directory = Directory.CreateTempSubdirectory("colo-arbiter-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task Directory_answers_no_record_before_the_first_start() =>
        Assert.Equal(new ArbiterAnswer.Refused(null, ArbiterRefusal.NoRecord), await new DirectoryArbiter(_directory).ReadAsync(Vm, default));

    [Fact]
    public async Task Directory_keeps_a_record_for_the_next_process()
    {
        ArbiterProposal first = Ask(0, A, null, A);
        Assert.Equal(new ArbiterAnswer.Granted(first.Next), await new DirectoryArbiter(_directory).CompareAndSetAsync(first, default));
        Assert.Equal(new ArbiterAnswer.Granted(first.Next), await new DirectoryArbiter(_directory).ReadAsync(Vm, default));
    }

    [Fact]
    public async Task Directory_lets_exactly_one_of_many_askers_win_each_term()
    {
        DirectoryArbiter arbiter = new(_directory);
        await arbiter.CompareAndSetAsync(Ask(0, A, null, A), default);
        await arbiter.CompareAndSetAsync(Ask(1, A, B, A), default);
        for (long term = 2; term <= 40; term += 2)
        {
            ArbiterRecord pair = Assert.IsType<ArbiterAnswer.Granted>(await arbiter.ReadAsync(Vm, default)).Record;
            Assert.Equal(term, pair.Term.Value);
            ArbiterAnswer[] answers = await Task.WhenAll(((HostIdentity[])[A, B, A, B, A, B]).Select((asker, index) => Task.Run(async () =>
                await new DirectoryArbiter(_directory).CompareAndSetAsync(Ask(term, asker, null, asker), default))));
            ArbiterRecord winner = Assert.IsType<ArbiterAnswer.Granted>(await arbiter.ReadAsync(Vm, default)).Record;
            foreach (ArbiterAnswer answer in answers)
            {
                Assert.True(answer is ArbiterAnswer.Granted granted ? granted.Record == winner : answer is ArbiterAnswer.Refused, $"{answer}");
            }

            Assert.Contains(answers, answer => answer is ArbiterAnswer.Granted);
            HostIdentity other = winner.Primary == A ? B : A;
            await arbiter.CompareAndSetAsync(Ask(term + 1, winner.Primary, other, winner.Primary), default);
        }
    }

    [Fact]
    public async Task Directory_does_not_let_a_stale_asker_win_a_term_whose_file_is_gone()
    {
        DirectoryArbiter arbiter = new(_directory);
        await arbiter.CompareAndSetAsync(Ask(0, A, null, A), default);
        for (long term = 1; term < 40; term++)
        {
            ArbiterProposal next = Ask(term, A, term % 2 == 1 ? B : null, A);
            Assert.IsType<ArbiterAnswer.Granted>(await arbiter.CompareAndSetAsync(next, default));
        }

        Assert.True(Directory.GetFiles(Path.Combine(_directory, "vm%2F1")).Length < 25);
        ArbiterAnswer answer = await arbiter.CompareAndSetAsync(Ask(2, B, null, B), default);
        Assert.Equal(ArbiterRefusal.TermMoved, Assert.IsType<ArbiterAnswer.Refused>(answer).Reason);
    }

    [Fact]
    public async Task Directory_that_is_not_mounted_is_unknown()
    {
        DirectoryArbiter arbiter = new(Path.Combine(_directory, "missing"));
        Assert.IsType<ArbiterAnswer.Unknown>(await arbiter.ReadAsync(Vm, default));
        Assert.IsType<ArbiterAnswer.Unknown>(await arbiter.CompareAndSetAsync(Ask(0, A, null, A), default));
    }

    [Fact]
    public async Task Directory_with_a_damaged_record_is_unknown()
    {
        DirectoryArbiter arbiter = new(_directory);
        await arbiter.CompareAndSetAsync(Ask(0, A, null, A), default);
        string file = Directory.GetFiles(Path.Combine(_directory, "vm%2F1"), "term-*").Single();
        await File.WriteAllTextAsync(file, (await File.ReadAllTextAsync(file)).Replace("a#1", "b#7", StringComparison.Ordinal));
        Assert.IsType<ArbiterAnswer.Unknown>(await arbiter.ReadAsync(Vm, default));
        Assert.IsType<ArbiterAnswer.Unknown>(await arbiter.CompareAndSetAsync(Ask(1, A, B, A), default));
    }

    [Fact]
    public async Task Directory_leaves_nothing_beside_the_records()
    {
        await new DirectoryArbiter(_directory).CompareAndSetAsync(Ask(0, A, null, A), default);
        Assert.Equal("term-000000000001", Path.GetFileName(Directory.GetFiles(Path.Combine(_directory, "vm%2F1")).Single()));
    }

    [Fact]
    public async Task Directory_whose_storage_hangs_has_one_question_of_a_vm_under_way()
    {
        string folder = Path.Combine(_directory, "vm%2F1");
        Directory.CreateDirectory(folder);
        string file = Path.Combine(folder, "term-000000000001");
        using (Process make = Process.Start("mkfifo", [file])) // to open it is to wait for the other end
        {
            await make.WaitForExitAsync();
        }

        DirectoryArbiter arbiter = new(_directory);
        using (CancellationTokenSource soon = new(TimeSpan.FromMilliseconds(50)))
        {
            Assert.IsType<ArbiterAnswer.Unknown>(await arbiter.ReadAsync(Vm, soon.Token));
        }

        for (int question = 0; question < 3; question++)
        {
            using CancellationTokenSource soon = new(TimeSpan.FromMilliseconds(50));
            ArbiterAnswer answer = await arbiter.ReadAsync(Vm, soon.Token);
            string reason = Assert.IsType<ArbiterAnswer.Unknown>(answer).Reason;
            Assert.Contains("an earlier question", reason, StringComparison.Ordinal);
        }

        ArbiterRecord record = Ask(0, A, null, A).Next;
        using (StreamWriter end = new(file))
        {
            end.Write(ArbiterRecordText.Encode(record)); // the storage is back
        }

        File.Delete(file);
        File.WriteAllText(file, ArbiterRecordText.Encode(record));
        using CancellationTokenSource hang = new(TimeSpan.FromSeconds(90));
        Assert.Equal(new ArbiterAnswer.Granted(record), await arbiter.ReadAsync(Vm, hang.Token));
    }

    [Fact]
    public void Witness_that_cannot_write_leaves_nothing_beside_the_records()
    {
        Directory.CreateDirectory(Path.Combine(_directory, "vm%2F1.record"));
        WitnessArbiterStore witness = new(_directory);
        Assert.IsType<ArbiterAnswer.Unknown>(witness.CompareAndSet(Ask(0, A, null, A)));
        Assert.Empty(Directory.GetFiles(_directory));
    }

    [Fact]
    public void Witness_remembers_over_a_restart()
    {
        ArbiterProposal first = Ask(0, A, null, A);
        Assert.IsType<ArbiterAnswer.Granted>(new WitnessArbiterStore(_directory).CompareAndSet(first));
        Assert.Equal(new ArbiterAnswer.Granted(first.Next), new WitnessArbiterStore(_directory).Read(Vm));
    }

    [Fact]
    public void Witness_with_a_damaged_record_does_not_start()
    {
        new WitnessArbiterStore(_directory).CompareAndSet(Ask(0, A, null, A));
        string file = Directory.GetFiles(_directory).Single();
        File.WriteAllText(file, File.ReadAllText(file)[..^5]);
        Assert.Throws<InvalidDataException>(() => new WitnessArbiterStore(_directory));
    }

    [Fact]
    public async Task None_lets_the_operator_judge_who_leaves_a_pair()
    {
        NoneArbiter arbiter = new(new WitnessArbiterStore(_directory));
        await arbiter.CompareAndSetAsync(Ask(0, A, null, A), default);
        Assert.IsType<ArbiterAnswer.Granted>(await arbiter.CompareAndSetAsync(Ask(1, A, B, A), default));
        ArbiterAnswer alone = await arbiter.CompareAndSetAsync(Ask(2, A, null, A), default);
        Assert.Equal(ArbiterRefusal.OperatorNeeded, Assert.IsType<ArbiterAnswer.Refused>(alone).Reason);
        ArbiterProposal forced = Ask(2, A, null, A) with { Claim = ArbiterClaim.OperatorForced };
        Assert.IsType<ArbiterAnswer.Granted>(await arbiter.CompareAndSetAsync(forced, default));
    }

    [Fact]
    public async Task None_learns_the_peers_newer_record()
    {
        NoneArbiter arbiter = new(new WitnessArbiterStore(_directory));
        ArbiterRecord pair = new(Vm, new Term(8), A, B);
        arbiter.Learn(pair);
        arbiter.Learn(new ArbiterRecord(Vm, new Term(3), B, null));
        Assert.Equal(new ArbiterAnswer.Granted(pair), await arbiter.ReadAsync(Vm, default));
    }

    private static ArbiterProposal Ask(long expected, HostIdentity primary, HostIdentity? secondary, HostIdentity by) =>
        new(new Term(expected), new ArbiterRecord(Vm, new Term(expected + 1), primary, secondary), by, ArbiterClaim.InSync);
}
