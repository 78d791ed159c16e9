using Colo.Actors.Protocol;
using Colo.Host.Node;

namespace Colo.Host.Tests.Node;

/// <summary>What a node keeps in its state directory about itself, and what follows when it is gone.</summary>
public sealed class NodeMemoryTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("colo-memory-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Lives_are_counted_and_those_of_a_lost_directory_do_not_come_again()
    {
        Incarnation first = NodeIncarnation.Next(folder);
        Assert.Equal(new Incarnation(first.Value + 1), NodeIncarnation.Next(folder));
        Directory.Delete(folder, recursive: true);
        Incarnation later = NodeIncarnation.Next(folder);
        Assert.DoesNotContain(later.Value, (long[])[first.Value, first.Value + 1]);
    }

    [Theory]
    [InlineData("Secondary")]
    [InlineData("SecondaryAsking")]
    [InlineData("Booting")]
    public void A_vm_that_was_here_is_remembered_from_its_first_role_on(string state)
    {
        var terms = new RememberedTerms(folder);
        Assert.Equal(Term.Zero, terms.Of("web"));
        terms.Note("web", Status("Parked"));
        Assert.Equal(Term.Zero, new RememberedTerms(folder).Of("web"));
        terms.Note("web", Status(state));
        Assert.Equal(new Term(3), new RememberedTerms(folder).Of("web"));
    }

    /// <summary>Then it is not taken for a host whose disks were lost.</summary>
    [Fact]
    public void A_term_whose_number_a_loss_of_power_has_taken_still_tells_that_the_vm_was_here()
    {
        new RememberedTerms(folder).Note("web", Status("Secondary"));
        File.WriteAllBytes(Path.Combine(folder, "terms", "web"), []);
        Assert.Equal(new Term(1), new RememberedTerms(folder).Of("web"));
    }

    private static VmStatus Status(string state) =>
        new(VmRole.None, ProtectionState.Parked, new Term(3), Epoch.Zero, null, state, string.Empty);
}
