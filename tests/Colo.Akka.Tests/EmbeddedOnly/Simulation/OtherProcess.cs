using System.Diagnostics;
using System.Globalization;
using Akka.Simulation;

namespace Colo.Akka.Tests.EmbeddedOnly.Simulation;

/// <summary>Runs one seed of the crash scenario in a process of its own, where every hash of a string is
/// another.</summary>
public static class OtherProcess
{
    public static int Main(string[] arguments)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        var seed = ulong.Parse(arguments[0], CultureInfo.InvariantCulture);
        Console.WriteLine(SimulationWorld.Run(seed, ClusterScenarios.CrashAndRejoin));
        return 0;
    }

    internal static string Run(ulong seed)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath is { } host && Path.GetFileName(host).StartsWith("dotnet", StringComparison.Ordinal) ? host : "dotnet")
        {
            RedirectStandardOutput = true,
            ArgumentList = { "exec", typeof(OtherProcess).Assembly.Location, seed.ToString(CultureInfo.InvariantCulture) },
        };
        using var process = Process.Start(start)!;
        var text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return text.Trim();
    }
}
