namespace Colo.Simulation;

/// <summary>The suite is trusted as far as it fails for wrong code: each bug that is put in must be found, by an
/// invariant that is meant for it.</summary>
public sealed class MutantTests
{
    [Theory]
    [InlineData(Mutant.M1, "S1 S6 S7")]
    [InlineData(Mutant.M2, "S1")]
    [InlineData(Mutant.M3, "S6 S1 S7")]
    [InlineData(Mutant.M4, "S2 S4")]
    [InlineData(Mutant.M5, "S3")]
    [InlineData(Mutant.M6, "S2 S4 S15")]
    [InlineData(Mutant.M7, "S2")]
    [InlineData(Mutant.M9, "S5 S8 S9 S10")]
    [InlineData(Mutant.M10, "S11")]
    [InlineData(Mutant.M11, "S5")]
    [InlineData(Mutant.M12, "L3")]
    [InlineData(Mutant.M14, "S13")]
    [InlineData(Mutant.M17, "L3")]
    [InlineData(Mutant.M19, "S1 S3 S5 S7 S8")]
    [InlineData(Mutant.M20, "S12")]
    [InlineData(Mutant.M21, "S15")]
    [InlineData(Mutant.M26, "L2")]
    [InlineData(Mutant.M22Page, "S5")]
    [InlineData(Mutant.M22Csr, "S5")]
    [InlineData(Mutant.M22Device, "S5")]
    [InlineData(Mutant.M23, "S2 S4")]
    [InlineData(Mutant.EarlyFlush, "S8")]
    [InlineData(Mutant.EndToldOnce, "L5")]
    [InlineData(Mutant.ReadThrough, "S9")]
    [InlineData(Mutant.NoLease, "S2 S8 S10")]
    [InlineData(Mutant.NoOriginals, "S9 S10")]
    [InlineData(Mutant.KeptSession, "S4 S8 S9 S10")]
    [InlineData(Mutant.KeptTerm, "S4")]
    [InlineData(Mutant.Untagged, "S1 L3")]
    [InlineData(Mutant.SoloJoin, "S1 S2")]
    public void A_mutant_is_killed(Mutant mutant, string killers)
    {
        SeedResult? found = MutantHunt.Hunt(mutant, seeds: 400);
        Assert.True(found is not null, $"{mutant} survives");
        Assert.Contains(found.FailedId!, killers.Split(' '));
    }
}
