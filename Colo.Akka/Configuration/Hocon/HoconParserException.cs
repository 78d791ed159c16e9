namespace Akka.Configuration.Hocon;

/// <summary>The text cannot be read. The message carries line, column and what was expected there.</summary>
public sealed class HoconParserException : Exception
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
