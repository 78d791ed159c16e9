using System.Text;
using Colo.Vmm.Checksums;

namespace Colo.Vmm.Tests.Checksums;

public sealed class Crc32CTests
{
    [Fact]
    public void Gives_the_check_value_of_the_catalogue()
    {
        Assert.Equal(0xE3069283u, Crc32C.Compute(Encoding.ASCII.GetBytes("123456789")));
    }

    [Fact]
    public void Gives_the_values_of_RFC_3720_B_4()
    {
        var zeros = new byte[32];
        var ones = Enumerable.Repeat((byte)0xFF, 32).ToArray();
        var ascending = Enumerable.Range(0, 32).Select(i => (byte)i).ToArray();

        Assert.Equal(0x8A9136AAu, Crc32C.Compute(zeros));
        Assert.Equal(0x62A8AB43u, Crc32C.Compute(ones));
        Assert.Equal(0x46DD794Eu, Crc32C.Compute(ascending));
    }

    [Fact]
    public void Fast_path_equals_software_for_every_length_and_offset_around_the_block_edges()
    {
        var data = new byte[9400];
        new Random(1).NextBytes(data);
        foreach (var length in Enumerable.Range(0, 40).Concat([1023, 1024, 3071, 3072, 3073, 3080, 6144, 6151, 9216, 9300]))
        {
            for (var offset = 0; offset < 9; offset++)
            {
                var slice = data.AsSpan(offset, length);
                Assert.Equal(Crc32C.AppendSoftware(7, slice), Crc32C.Append(7, slice));
            }
        }
    }

    [Fact]
    public void Appending_parts_equals_the_whole()
    {
        var data = new byte[5000];
        new Random(2).NextBytes(data);
        var whole = Crc32C.Compute(data);
        foreach (var cut in new[] { 0, 1, 7, 8, 3000, 4999, 5000 })
        {
            Assert.Equal(whole, Crc32C.Append(Crc32C.Compute(data.AsSpan(0, cut)), data.AsSpan(cut)));
        }
    }

    [Fact]
    public void A_copied_page_has_the_checksum_that_its_bytes_have_behind_any_other()
    {
        var random = new Random(4);
        var source = new byte[3 * PageCrc32C.PageSize];
        var target = new byte[source.Length];
        random.NextBytes(source);
        var head = source.AsSpan(0, 37).ToArray();
        var register = Crc32C.Update(~0u, head);
        var body = 0u;
        for (var at = 0; at < source.Length; at += PageCrc32C.PageSize)
        {
            register = PageCrc32C.Copy(register, source.AsSpan(at), target.AsSpan(at));
            body = PageCrc32C.Copy(body, source.AsSpan(at), target.AsSpan(at));
        }

        Assert.Equal(source, target);
        Assert.Equal(Crc32C.Compute([.. head, .. source]), ~register);
        Assert.Equal(register, PageCrc32C.Skip(Crc32C.Update(~0u, head), 3) ^ body);
        Assert.Equal(Crc32C.AppendSoftware(0, [.. head, .. source]), ~register);
    }
}
