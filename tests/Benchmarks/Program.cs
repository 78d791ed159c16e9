namespace Colo.Benchmarks;

internal static class Program
{
    public static int Main(string[] args)
    {
        Console.Error.WriteLine($"bench: unknown suite '{string.Join(' ', args)}'");
        return 2;
    }
}
