using Xunit.Abstractions;

namespace Colo.Vmm.Tests.Net;

/// <summary>
/// Comparer and rewriter between model TCP stacks. Each run is drawn from its seed, which a failure prints. Checked
/// in every run: the client's streams are the application's, no byte of them ever changes, no reset, every stream
/// ends, also through a takeover.
/// </summary>
public sealed class PairModelTests(ITestOutputHelper output)
{
    private static int Seeds => int.TryParse(Environment.GetEnvironmentVariable("COLO_SEEDS"), out var seeds) ? seeds : 60;

    [Fact]
    public void Equal_replicas_stream_without_a_checkpoint_when_nothing_is_lost()
    {
        for (var seed = 0; seed < 10; seed++)
        {
            var model = new PairModel(new PairOptions(seed, 0, 0, false, seed % 2 == 0, 3, 20000, null, 0));
            var failure = model.Run(60000);
            Assert.True(failure is null, $"seed {seed}: {failure}");
            Assert.True(model.Checkpoints == 0, $"seed {seed}: {string.Join('\n', model.Requests)}");
            Assert.True(model.Rewritten > 0);
            Assert.Equal(0, model.RefusedEchoes);
        }
    }

    [Fact]
    public void Streams_survive_loss_reordering_and_checkpoints_at_any_moment() => RunMany(1000, (seed, random) => new PairOptions(
        seed, random.NextDouble() * 0.05, random.Next(2) * random.NextDouble() * 0.02, false, random.Next(2) == 0, random.Next(1, 5),
        random.Next(1, 12000), null, random.Next(2) * random.NextDouble() * 0.02));

    [Fact]
    public void Streams_survive_replicas_that_answer_differently() => RunMany(2000, (seed, random) => new PairOptions(
        seed, random.NextDouble() * 0.03, random.Next(2) * random.NextDouble() * 0.01, true, random.Next(2) == 0, random.Next(1, 5),
        random.Next(1, 12000), null, 0));

    [Fact]
    public void Streams_survive_a_takeover_at_any_moment() => RunMany(3000, DrawTakeover);

    /// <summary>Seeds that once failed.</summary>
    [Theory]
    [InlineData(3131)] // A SYN that the image had received and not answered: its offset was not learnt.
    public void Streams_survive_the_takeovers_that_once_broke_one(int seed) =>
        RunSeed(seed, DrawTakeover, out _, out _);

    private static PairOptions DrawTakeover(int seed, Random random) => new(
        seed, random.NextDouble() * 0.03, random.Next(2) * random.NextDouble() * 0.01, random.Next(2) == 0, random.Next(2) == 0,
        random.Next(1, 5), random.Next(1, 12000), random.Next(3) == 0 ? random.Next(60) : random.Next(2000),
        random.Next(2) * random.NextDouble() * 0.01);

    private static void RunSeed(int seed, Func<int, Random, PairOptions> draw, out int checkpoints, out int released)
    {
        var options = draw(seed, new Random(seed));
        var model = new PairModel(options);
        var failure = model.Run(120_000);
        Assert.True(failure is null, $"{options}: {failure}");
        checkpoints = model.Checkpoints;
        released = model.Released;
    }

    private void RunMany(int firstSeed, Func<int, Random, PairOptions> draw)
    {
        long checkpoints = 0;
        long released = 0;
        for (var seed = firstSeed; seed < firstSeed + Seeds; seed++)
        {
            RunSeed(seed, draw, out var taken, out var passed);
            checkpoints += taken;
            released += passed;
        }
        output.WriteLine($"{Seeds} seeds from {firstSeed}: {released} frames released, {checkpoints} checkpoints");
    }
}
