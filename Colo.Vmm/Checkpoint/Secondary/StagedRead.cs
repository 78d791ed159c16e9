namespace Colo.Vmm.Checkpoint.Secondary;

/// <summary>What a look for a staged page has found.</summary>
internal enum StagedRead
{
    /// <summary>Not staged, or in RAM already.</summary>
    Absent,

    Found,

    /// <summary>It is in the spill file, which can't be read.</summary>
    Failed,
}
