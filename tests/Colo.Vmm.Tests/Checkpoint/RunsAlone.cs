namespace Colo.Vmm.Tests.Checkpoint;

/// <summary>Tests that look at the whole process; xunit runs them with no other test beside them.</summary>
[CollectionDefinition(nameof(RunsAlone), DisableParallelization = true)]
public sealed class RunsAlone;
