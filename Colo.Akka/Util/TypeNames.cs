using System.Reflection;
using Akka.Configuration;

namespace Akka.Util;

/// <summary>
/// Types named in configuration. The names carry Akka.NET's assembly names (<c>"Akka.Remote.X, Akka.Remote"</c>), which
/// stand for this assembly and its test kit.
/// </summary>
internal static class TypeNames
{
    private static readonly Assembly Engine = typeof(TypeNames).Assembly;

    public static Type Resolve(string name)
    {
        if (string.IsNullOrWhiteSpace(name))
        {
            return null;
        }

        var comma = AssemblySeparator(name);
        var typeName = comma < 0 ? name.Trim() : name[..comma].Trim();
        var assembly = comma < 0 ? null : name[(comma + 1)..].Split(',')[0].Trim();
        return assembly switch
        {
            "Akka" or "Akka.Remote" or "Akka.Cluster" or "Akka.Coordination" => Engine.GetType(typeName),
            "Akka.TestKit" or "Akka.TestKit.Xunit2" => FromTestKit(typeName),
            null => Type.GetType(typeName) ?? Engine.GetType(typeName) ?? FromLoaded(typeName),
            _ => Type.GetType(name.Trim()) ?? FromLoaded(typeName),
        };
    }

    /// <exception cref="ConfigurationException">There is no such type.</exception>
    public static Type Require(string name, string what) =>
        Resolve(name) ?? throw new ConfigurationException($"'{name}' does not name a type; expected {what}");

    /// <exception cref="ConfigurationException">
    /// No such type, wrong type, or no constructor for the arguments.
    /// </exception>
    public static T Create<T>(string name, string what, params object[] arguments)
    {
        var type = Require(name, what);
        try
        {
            return Activator.CreateInstance(type, arguments) is T made
                ? made
                : throw new ConfigurationException($"'{name}' is not {what}");
        }
        catch (MissingMethodException e)
        {
            throw new ConfigurationException($"'{name}' has no constructor for {what}: {e.Message}", e);
        }
        catch (TargetInvocationException e) when (e.InnerException is not null)
        {
            throw new ConfigurationException($"'{name}' could not be created: {e.InnerException.Message}", e.InnerException);
        }
    }

    /// <summary>
    /// The name under which a type is known in configuration and in manifests: "Full.Name, Assembly".
    /// </summary>
    public static string NameOf(Type type)
    {
        var assembly = type.Assembly == Engine ? "Akka" : type.Assembly.GetName().Name;
        return type.FullName + ", " + (assembly == "System.Private.CoreLib" ? "mscorlib" : assembly);
    }

    /// <summary>The comma before the assembly; commas inside the brackets of generic arguments do not count.</summary>
    private static int AssemblySeparator(string name)
    {
        var depth = 0;
        for (var i = 0; i < name.Length; i++)
        {
            depth += name[i] switch { '[' => 1, ']' => -1, _ => 0 };
            if (name[i] == ',' && depth == 0)
            {
                return i;
            }
        }

        return -1;
    }

    private static Type FromTestKit(string typeName)
    {
        try
        {
            return Assembly.Load("Colo.Akka.TestKit").GetType(typeName);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    private static Type FromLoaded(string typeName) =>
        AppDomain.CurrentDomain.GetAssemblies().Select(a => a.GetType(typeName)).FirstOrDefault(t => t is not null);
}
