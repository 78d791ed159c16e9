using System.Buffers.Binary;
using Colo.Vmm.Machine;

namespace Colo.Vmm.Tests.Machine;

public class FdtWriterTests
{
    [Fact]
    public void Smallest_tree_has_the_bytes_of_the_specification()
    {
        var fdt = new FdtWriter();
        fdt.BeginNode("");
        fdt.Cells("x", 5);
        fdt.EndNode();
        byte[] blob = fdt.ToArray();
        uint Word(int offset) => BinaryPrimitives.ReadUInt32BigEndian(blob.AsSpan(offset));
        Assert.Equal(0xd00dfeedu, Word(0));
        Assert.Equal((uint)blob.Length, Word(4));
        Assert.Equal(17u, Word(20));
        int structure = (int)Word(8);
        // BEGIN_NODE "", PROP length 4 name 0 value 5, END_NODE, END.
        uint[] expected = [1, 0, 3, 4, 0, 5, 2, 9];
        Assert.Equal(expected, Enumerable.Range(0, 8).Select(i => Word(structure + (i * 4))));
        Assert.Equal("x\0"u8.ToArray(), blob.AsSpan((int)Word(12), 2).ToArray());
    }
}
