using Colo.Vmm.Qmp.Parts;

namespace Colo.Vmm.Qmp.Filters;

/// <summary>
/// QEMU's iothread, which colo-compare has to name. Here every character device has threads of its own, so this is a
/// name that cannot be deleted while a comparer has it.
/// </summary>
internal sealed class IoThreadObject(string id) : IMachineObject
{
    public string Id => id;

    public string Type => "iothread";

    public IReadOnlyDictionary<string, object> Properties { get; } = new Dictionary<string, object>();

    public void Set(string name, QmpFields value) =>
        throw new QmpFailureException($"Property 'iothread.{name}' not found");

    public void Dispose()
    {
    }
}
