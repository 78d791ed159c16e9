using Colo.Actors.Arbiter;
using Colo.Host.Configuration;

namespace Colo.Host.Cluster;

/// <summary>
/// The VMs that were created at run time, in the state directory: <c>vms/NAME.conf</c>, each the text as it was given.
/// They are there again after a restart; a VM of the node's own file with the same name goes before.
/// </summary>
public sealed class VmStore(string stateDirectory)
{
    private readonly string folder = Path.Combine(stateDirectory, "vms");

    public bool Has(string vm) => File.Exists(PathOf(vm));

    /// <summary>Durable when it returns: a definition that was answered for is there after a crash.</summary>
    public void Save(string vm, string text)
    {
        Directory.CreateDirectory(folder);
        DurableFile.FlushDirectory(stateDirectory);
        DurableFile.Replace(folder, vm + ".conf", text);
    }

    public string? Text(string vm) => Has(vm) ? File.ReadAllText(PathOf(vm)) : null;

    /// <summary>Durable when it returns: one that was removed is not there again after a crash.</summary>
    public void Remove(string vm)
    {
        if (Has(vm))
        {
            File.Delete(PathOf(vm));
            DurableFile.FlushDirectory(folder);
        }
    }

    /// <summary>All of them, as far as they can be read; what is wrong with the others is told in words.</summary>
    public IReadOnlyList<VmDefinition> Load(NodeOptions options, Action<string> wrong)
    {
        var found = new List<VmDefinition>();
        if (!Directory.Exists(folder))
        {
            return found;
        }

        foreach (string path in Directory.GetFiles(folder, "*.conf").Order(StringComparer.Ordinal))
        {
            string name = Path.GetFileNameWithoutExtension(path);
            VmDefinition? definition = VmText.Read(
                name, File.ReadAllText(path), path, options, out IReadOnlyList<ConfigurationError> errors);
            if (definition is not null)
            {
                found.Add(definition);
            }

            foreach (ConfigurationError error in errors)
            {
                wrong($"VM {name} cannot be run: {error}");
            }
        }

        return found;
    }

    private string PathOf(string vm) => Path.Combine(folder, vm + ".conf");
}
