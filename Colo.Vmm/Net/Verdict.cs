namespace Colo.Vmm.Net;

/// <summary>What comparing says about the primary's next frame of a flow.</summary>
internal enum Verdict
{
    /// <summary>Not yet known: the secondary has not answered that far.</summary>
    Hold = 1,

    Release,

    /// <summary>The replicas differ; a checkpoint has to make them equal.</summary>
    Differs,
}
