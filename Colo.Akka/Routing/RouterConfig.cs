namespace Akka.Routing;

/// <summary>Placeholder for signatures: this engine has no routers, every actor is routed to directly.</summary>
public abstract class RouterConfig
{
    private protected RouterConfig()
    {
    }

    public virtual RouterConfig WithFallback(RouterConfig routerConfig) => routerConfig;
}

/// <summary>No routing.</summary>
public class NoRouter : RouterConfig
{
    private NoRouter()
    {
    }

    public static NoRouter Instance { get; } = new();
}
