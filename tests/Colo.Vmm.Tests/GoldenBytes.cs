using System.Text;

namespace Colo.Vmm.Tests;

/// <summary>Compares bytes with a drawn layout: hexadecimal digits, parted by spaces as the fields are.</summary>
internal static class GoldenBytes
{
    public static void Equal(string expected, ReadOnlySpan<byte> actual) =>
        Assert.Equal(new StringBuilder(expected).Replace(" ", "").ToString(), Convert.ToHexString(actual));

    public static void Zeroes(ReadOnlySpan<byte> actual) => Assert.Equal(-1, actual.IndexOfAnyExcept((byte)0));
}
