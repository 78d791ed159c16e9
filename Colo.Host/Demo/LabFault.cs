namespace Colo.Host.Demo;

/// <summary>What hosts of a lab suffer, and how they come back.</summary>
internal static class LabFault
{
    /// <summary>One sentence for the audience.</summary>
    public static string Describe(string host, string fault) => fault switch
    {
        "cable" => $"every cable of {host} is pulled",
        "freeze" => $"{host} freezes (SIGSTOP)",
        "power" => $"{host} loses its power",
        _ => $"{host} is killed (SIGKILL)",
    };

    public static void Strike(NodeProcess host, string fault)
    {
        switch (fault)
        {
            case "cable":
                NetworkLab.SetCable(host.Name, Cable.All, plugged: false);
                break;
            case "freeze":
                host.Freeze(true);
                break;
            case "power":
                // Without power nothing is sent any more, not even a reset: first the cables, then the process.
                NetworkLab.SetCable(host.Name, Cable.All, plugged: false);
                host.Kill();
                break;
            default:
                host.Kill();
                break;
        }
    }

    public static void Restore(NodeProcess host, string fault)
    {
        if (fault is "cable" or "power")
        {
            NetworkLab.SetCable(host.Name, Cable.All, plugged: true);
        }

        if (fault == "freeze")
        {
            host.Freeze(false);
        }
        else if (!host.IsRunning)
        {
            host.Start();
        }
    }
}
