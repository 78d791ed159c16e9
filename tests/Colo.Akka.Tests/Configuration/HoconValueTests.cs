using Akka.Configuration;

namespace Colo.Akka.Tests.Configuration;

public class HoconValueTests
{
    private static Config Parse(string text) => ConfigurationFactory.ParseString(text);

    [Theory]
    [InlineData("on", true)]
    [InlineData("true", true)]
    [InlineData("off", false)]
    [InlineData("false", false)]
    [InlineData("\"on\"", true)]
    public void Reads_the_four_words_as_booleans(string text, bool expected) =>
        Assert.Equal(expected, Parse($"a = {text}").GetBoolean("a"));

    [Theory]
    [InlineData("yes")]
    [InlineData("no")]
    [InlineData("TRUE")]
    [InlineData("1")]
    public void Refuses_any_other_word_as_a_boolean(string text) =>
        Assert.Throws<NotSupportedException>(() => Parse($"a = {text}").GetBoolean("a"));

    [Theory]
    [InlineData("5s", 5000)]
    [InlineData("5 s", 5000)]
    [InlineData("1.5s", 1500)]
    [InlineData("500ms", 500)]
    [InlineData("2 minutes", 120_000)]
    [InlineData("1 minute", 60_000)]
    [InlineData("3h", 10_800_000)]
    [InlineData("1d", 86_400_000)]
    [InlineData("100", 100)]
    [InlineData("7 milliseconds", 7)]
    [InlineData("\"10 seconds\"", 10_000)]
    public void Reads_durations(string text, double milliseconds) =>
        Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), Parse($"a = {text}").GetTimeSpan("a"));

    [Fact]
    public void Reads_infinite_as_minus_one_millisecond()
    {
        Assert.Equal(TimeSpan.FromMilliseconds(-1), Parse("a = infinite").GetTimeSpan("a"));
        Assert.Throws<FormatException>(() => Parse("a = infinite").GetTimeSpan("a", null, allowInfinite: false));
    }

    [Theory]
    [InlineData("10us")]
    [InlineData("off")]
    [InlineData("-5s")]
    [InlineData("-1")]
    [InlineData("s")]
    public void Refuses_other_durations(string text) =>
        Assert.Throws<FormatException>(() => Parse($"a = {text}").GetTimeSpan("a"));

    [Theory]
    [InlineData("10k", 10_240)]
    [InlineData("10kB", 10_000)]
    [InlineData("1MiB", 1_048_576)]
    [InlineData("128000b", 128_000)]
    [InlineData("7", 7)]
    [InlineData("2G", 2L << 30)]
    public void Reads_byte_sizes(string text, long expected) =>
        Assert.Equal(expected, Parse($"a = {text}").GetByteSize("a"));

    [Theory]
    [InlineData("1.5M")]
    [InlineData("off")]
    [InlineData("10KB")]
    public void Refuses_other_byte_sizes(string text) =>
        Assert.ThrowsAny<FormatException>(() => Parse($"a = {text}").GetByteSize("a"));

    [Theory]
    [InlineData("0x1F")]
    [InlineData("1.5")]
    [InlineData("zz")]
    public void Refuses_what_is_not_a_whole_decimal_number(string text) =>
        Assert.Throws<FormatException>(() => Parse($"a = {text}").GetInt("a"));

    [Fact]
    public void Reports_a_number_that_is_too_large_as_an_overflow() =>
        Assert.Throws<OverflowException>(() => Parse("a = 3000000000").GetInt("a"));

    [Fact]
    public void Answers_the_default_of_the_type_or_the_given_one_for_a_missing_path()
    {
        var config = Parse("a = 1");
        Assert.Equal(0, config.GetInt("x"));
        Assert.Equal(7, config.GetInt("x.y", 7));
        Assert.Equal(TimeSpan.Zero, config.GetTimeSpan("x"));
        Assert.False(config.GetBoolean("x"));
        Assert.Null(config.GetString("x"));
        Assert.Null(config.GetConfig("x"));
        Assert.Null(config.GetByteSize("x"));
        Assert.Empty(config.GetStringList("x"));
        Assert.False(config.HasPath("x"));
    }

    [Fact]
    public void Reads_null_as_a_null_string() => Assert.Null(Parse("a = null").GetString("a", "given"));

    [Fact]
    public void Reads_lists_of_numbers_and_texts()
    {
        var config = Parse("a = [1, 2, 3]\nb = [x, \"y z\",\n w]");
        Assert.Equal([1, 2, 3], config.GetIntList("a"));
        Assert.Equal(["x", "y z", "w"], config.GetStringList("b"));
    }

    [Fact]
    public void Decimal_and_floating_point_numbers_use_the_point()
    {
        var config = Parse("a = 2.5");
        Assert.Equal(2.5, config.GetDouble("a"));
        Assert.Equal(2.5f, config.GetFloat("a"));
        Assert.Equal(2.5m, config.GetDecimal("a"));
    }
}
