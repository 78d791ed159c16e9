namespace Akka.Configuration.Hocon;

/// <summary>The text cannot be read. The message carries line, column and what was expected there. To the outside it is
/// a <see cref="FormatException"/>, as in Akka.NET, which has no type of its own for it.</summary>
internal sealed class HoconParserException : FormatException
{
    public HoconParserException(string message)
        : base(message)
    {
    }

    public HoconParserException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
