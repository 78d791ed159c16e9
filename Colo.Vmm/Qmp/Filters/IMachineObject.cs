using Colo.Vmm.Qmp.Parts;

namespace Colo.Vmm.Qmp.Filters;

/// <summary>Something that object-add made. Disposing it is object-del.</summary>
internal interface IMachineObject : IDisposable
{
    string Id { get; }

    /// <summary>The name of its kind, as object-add and qom-list have it.</summary>
    string Type { get; }

    /// <summary>What qom-get shows: texts, numbers and switches by name.</summary>
    IReadOnlyDictionary<string, object> Properties { get; }

    /// <summary>qom-set.</summary>
    /// <exception cref="QmpFailureException">No such property, not changeable, or not this value.</exception>
    void Set(string name, QmpFields value);
}
