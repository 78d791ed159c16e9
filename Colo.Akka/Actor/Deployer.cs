using Akka.Configuration;

namespace Akka.Actor;

/// <summary>
/// Deployments from <c>akka.actor.deployment</c>: a path below <c>/user</c>, with <c>*</c> for any name.
/// </summary>
public class Deployer
{
    protected readonly Config Default;

    private readonly List<(string[] Path, Deploy Deploy)> _deployments = [];
    private volatile bool _any;

    public Deployer(Settings settings)
    {
        var section = settings.Config.GetConfig("akka.actor.deployment");
        Default = section?.GetConfig("default");
        if (section is null)
        {
            return;
        }

        foreach (var (quotedKey, value) in section.AsEnumerable())
        {
            var key = quotedKey.Trim('"');
            if (key != "default" && ParseConfig(key, new Config(new Configuration.Hocon.HoconRoot(value))) is { } deploy)
            {
                SetDeploy(deploy);
            }
        }
    }

    /// <summary>Null when nothing is configured for the path.</summary>
    public Deploy Lookup(ActorPath path) =>
        _any && path.Depth > 1 && path.ParentOf(1).Name == "user" ? Lookup(path.Elements.Skip(1)) : null;

    public Deploy Lookup(IEnumerable<string> path)
    {
        if (!_any)
        {
            return null;
        }

        var names = path.ToArray();
        lock (_deployments)
        {
            // The exact path before one with wildcards.
            return _deployments.Where(d => Fits(d.Path, names)).OrderBy(d => d.Path.Count(n => n is "*" or "**"))
                .Select(d => d.Deploy).FirstOrDefault();
        }
    }

    public void SetDeploy(Deploy deploy)
    {
        var names = deploy.Path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        foreach (var name in names)
        {
            if (name is not "*" and not "**" && !ActorPath.IsValidPathElement(name))
            {
                throw new IllegalActorNameException(
                    $"Illegal actor name [{name}] in deployment [{deploy.Path}]. Actor paths MUST: not start with `$`.");
            }
        }

        lock (_deployments)
        {
            _deployments.Add((names, deploy));
            _any = true;
        }
    }

    public virtual Deploy ParseConfig(string key, Config config)
    {
        var deployment = Default is null ? config : config.WithFallback(Default);
        var dispatcher = deployment.GetString("dispatcher", "");
        return new Deploy(
            key, deployment, null, Deploy.NoScopeGiven, string.IsNullOrEmpty(dispatcher) ? null : dispatcher,
            deployment.GetString("mailbox", ""), deployment.GetInt("stash-capacity", -1));
    }

    private static bool Fits(string[] pattern, string[] names)
    {
        for (var i = 0; i < pattern.Length; i++)
        {
            if (pattern[i] == "**")
            {
                return names.Length > i;
            }

            if (i >= names.Length || (pattern[i] != "*" && pattern[i] != names[i]))
            {
                return false;
            }
        }

        return pattern.Length == names.Length;
    }
}
