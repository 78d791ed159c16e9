using System.Buffers;
using System.Text;

namespace Akka.Remote.Transport;

/// <summary>A name on the wire: an id, a text, or both (which defines the id).</summary>
internal readonly record struct WireName(uint Id, string Text)
{
    internal bool IsAbsent => Id == 0 && string.IsNullOrEmpty(Text);
}

/// <summary>
/// Writes the message <c>Envelope</c> of Protos/Remote.proto straight into the link's output, because the generated
/// code would allocate a message and copy the payload twice for each.
/// </summary>
internal static class EnvelopeWriter
{
    internal static void Write(
        IBufferWriter<byte> output, WireName recipient, WireName sender, int serializerId, WireName manifest, ReadOnlySpan<byte> payload)
    {
        var recipientBytes = ByteCount(recipient.Text);
        var senderBytes = ByteCount(sender.Text);
        var manifestBytes = ByteCount(manifest.Text);
        var size = NameSize(recipient, recipientBytes) + NameSize(sender, senderBytes) + NameSize(manifest, manifestBytes)
            + 1 + ProtoSpanWriter.VarintSize(ProtoSpanWriter.ZigZag(serializerId))
            + 1 + ProtoSpanWriter.VarintSize((uint)payload.Length) + payload.Length;
        var span = output.GetSpan(Framing.HeaderSize + size);
        Framing.WriteHeader(span, FrameKind.Envelope, size);
        var writer = new ProtoSpanWriter(span.Slice(Framing.HeaderSize, size));
        WriteName(ref writer, 1, recipient, recipientBytes);
        WriteName(ref writer, 3, sender, senderBytes);
        writer.VarintField(5, ProtoSpanWriter.ZigZag(serializerId));
        WriteName(ref writer, 6, manifest, manifestBytes);
        writer.BytesField(8, payload);
        output.Advance(Framing.HeaderSize + size);
    }

    private static int ByteCount(string text) => text is null ? 0 : Encoding.UTF8.GetByteCount(text);

    private static int NameSize(WireName name, int bytes) =>
        (name.Id == 0 ? 0 : 1 + ProtoSpanWriter.VarintSize(name.Id))
        + (bytes == 0 ? 0 : 1 + ProtoSpanWriter.VarintSize((uint)bytes) + bytes);

    private static void WriteName(ref ProtoSpanWriter writer, int idField, WireName name, int bytes)
    {
        if (name.Id != 0)
        {
            writer.VarintField(idField, name.Id);
        }

        if (bytes != 0)
        {
            writer.StringField(idField + 1, name.Text, bytes);
        }
    }
}

/// <summary>An envelope as it was read; texts are null when only an id came.</summary>
internal ref struct EnvelopeFields
{
    internal uint RecipientId;
    internal string Recipient;
    internal uint SenderId;
    internal string Sender;
    internal int SerializerId;
    internal uint ManifestId;
    internal string Manifest;
    internal ReadOnlySpan<byte> Payload;

    /// <exception cref="WireFormatException">The bytes are not an envelope.</exception>
    internal static EnvelopeFields Read(ReadOnlySpan<byte> body)
    {
        var fields = default(EnvelopeFields);
        var reader = new ProtoSpanReader(body);
        while (reader.TryTag(out var field, out var wireType))
        {
            switch (field, wireType)
            {
                case (1, 0):
                    fields.RecipientId = reader.Varint();
                    break;
                case (2, 2):
                    fields.Recipient = Text(reader.Bytes());
                    break;
                case (3, 0):
                    fields.SenderId = reader.Varint();
                    break;
                case (4, 2):
                    fields.Sender = Text(reader.Bytes());
                    break;
                case (5, 0):
                    fields.SerializerId = reader.SignedVarint();
                    break;
                case (6, 0):
                    fields.ManifestId = reader.Varint();
                    break;
                case (7, 2):
                    fields.Manifest = Text(reader.Bytes());
                    break;
                case (8, 2):
                    fields.Payload = reader.Bytes();
                    break;
                default:
                    reader.Skip(wireType);
                    break;
            }
        }

        return fields;
    }

    private static string Text(ReadOnlySpan<byte> bytes) => Encoding.UTF8.GetString(bytes);
}
