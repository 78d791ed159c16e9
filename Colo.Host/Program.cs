namespace Colo.Host;

/// <summary>Entry point of the <c>colo</c> command.</summary>
internal static class Program
{
    public static int Main(string[] args)
    {
        Console.Error.WriteLine("colo: no command named '" + string.Join(' ', args) + "'");
        return 2;
    }
}
