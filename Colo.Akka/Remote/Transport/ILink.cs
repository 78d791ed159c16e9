using System.Buffers;

namespace Akka.Remote.Transport;

/// <summary>One connection. Bytes written are whole frames; they arrive in order or the link closes.</summary>
internal interface ILink
{
    /// <summary>The other end as the operating system names it, for logs.</summary>
    string Peer { get; }

    /// <summary>Where frames are written; used by one thread at a time.</summary>
    IBufferWriter<byte> Output { get; }

    /// <summary>
    /// Hands what was written to the network. False when the network is behind: write no more until
    /// <see cref="ILinkHandler.Writable"/>.
    /// </summary>
    bool Flush();

    /// <summary>Ends the link at once, whatever is still to be written.</summary>
    void Abort();

    /// <summary>Closes after what was flushed is written. Harmless when called again.</summary>
    void Close();
}
