using System.Text.Json;
using Colo.Vmm.Net.Backends;

namespace Colo.Host.Demo;

/// <summary>
/// A piece of cable that treats frames as badly as it is told, in a process of its own: a kernel's netem would need a
/// module that not every kernel has. Frames go from one TAP interface to the other. A <see cref="WireRule"/> is a line
/// of JSON on standard input, and each is answered when it holds.
/// </summary>
internal static class LabWire
{
    public const string Ready = "ready";

    public static int Run(string near, string far)
    {
        using var one = new TapBackend(near);
        using var other = new TapBackend(far);
        var outwards = new WireDirection(one, other);
        var inwards = new WireDirection(other, one);
        Console.WriteLine(Ready);
        while (Console.ReadLine() is { } line)
        {
            WireRule rule = JsonSerializer.Deserialize<WireRule>(line, JsonSerializerOptions.Web)!;
            outwards.Set(rule);
            inwards.Set(rule);
            Console.WriteLine(Ready);
        }

        return 0;
    }
}
