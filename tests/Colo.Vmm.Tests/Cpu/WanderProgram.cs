namespace Colo.Vmm.Tests.Cpu;

/// <summary>guests/baremetal/wander.S around a random program.</summary>
internal static class WanderProgram
{
    public static byte[] Build(int seed, int rounds, string flags = "")
    {
        string image = Path.Combine(Path.GetTempPath(), $"colo-{Guid.NewGuid():N}.bin");
        try
        {
            File.WriteAllBytes(image, RandomProgram.GenerateWandering(seed, 400));
            return BareMetal.Build("baremetal", "wander.S", $"-DIMAGE=\"{image}\" -DROUNDS={rounds} {flags}");
        }
        finally
        {
            File.Delete(image);
        }
    }
}
