namespace Akka.Remote.Transport;

/// <summary>Bytes of a peer that do not follow the protocol. Ends that link and nothing else.</summary>
internal sealed class WireFormatException(string message) : FormatException(message);
