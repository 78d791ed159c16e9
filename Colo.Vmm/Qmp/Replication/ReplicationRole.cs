namespace Colo.Vmm.Qmp.Replication;

/// <summary>What a machine is in COLO; the texts of query-colo-status are these names in lower case.</summary>
internal enum ReplicationRole
{
    None = 0,
    Primary = 1,
    Secondary = 2,
}
