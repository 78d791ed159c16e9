using System.Buffers.Text;

namespace Colo.Host.Demo;

/// <summary>The bytes that the guest serves: 1, 2, 3 and so on as decimal lines, as <c>seq</c> prints them.</summary>
internal sealed class CountingSequence
{
    private readonly byte[] line = new byte[24];
    private long number;
    private int length;
    private int used;

    /// <summary>Fills the span with the next bytes.</summary>
    public void Next(Span<byte> target)
    {
        while (!target.IsEmpty)
        {
            if (used == length)
            {
                Utf8Formatter.TryFormat(++number, line, out length);
                line[length++] = (byte)'\n';
                used = 0;
            }

            int take = Math.Min(target.Length, length - used);
            line.AsSpan(used, take).CopyTo(target);
            used += take;
            target = target[take..];
        }
    }
}
