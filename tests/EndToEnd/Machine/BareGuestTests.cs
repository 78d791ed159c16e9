namespace Colo.EndToEnd.Machine;

/// <summary>What the tests read from a console.</summary>
public sealed class BareGuestTests
{
    [Theory]
    [InlineData("", 0)]
    [InlineData("000000000000c350", 0)]
    [InlineData("000000000000c350\n", 0xc350)]
    [InlineData("000000000000c350\n00000000000186a0\n0000000", 0x186a0)]
    [InlineData("a80\n", 0)]
    [InlineData("a80\n0000000000055a80\n00", 0x55a80)]
    [InlineData("000000000000c350\n000000055a80\n", 0xc350)]
    [InlineData("0000000000000000000055a80\n", 0)]
    public void A_count_is_a_whole_line_of_sixteen_digits(string console, ulong count) =>
        Assert.Equal(count, BareGuest.LastCount(console));
}
