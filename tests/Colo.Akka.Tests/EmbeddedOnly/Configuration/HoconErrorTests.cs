using Akka.Configuration;
using Akka.Configuration.Hocon;

namespace Colo.Akka.Tests.EmbeddedOnly.Configuration;

/// <summary>What our reader says of a text that it cannot read. Akka.NET's reader accepts some of these in
/// silence.</summary>
public class HoconErrorTests
{
    private static Config Parse(string text) => ConfigurationFactory.ParseString(text);

    [Theory]
    [InlineData("x = 1\n  a = \"abc", "line 2, column 7", "closing")]
    [InlineData("a =", "line 1, column 4", "a value")]
    [InlineData("a = 1\n$ = 2", "line 2, column 1", "a key")]
    [InlineData("a = \"\\q\"", "line 1, column 6", "escapes")]
    [InlineData("one\ntwo = 3", "line 2", "after the key 'one'")]
    public void An_error_says_where_and_what_was_expected(string text, string where, string expected)
    {
        var error = Assert.Throws<HoconParserException>(() => Parse(text));
        Assert.Contains(where, error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_nesting_that_would_exhaust_the_stack()
    {
        Assert.Throws<HoconParserException>(() => Parse("a = " + new string('[', 100_000)));
        Assert.Throws<HoconParserException>(() => Parse(string.Concat(Enumerable.Repeat("a {", 100_000))));
    }

    [Fact]
    public void An_include_without_somebody_to_answer_it_is_refused() =>
        Assert.Throws<HoconParserException>(() => Parse("include \"other\""));

    [Theory]
    [InlineData("Akka.Configuration.Remote.conf", "akka.remote.dot-netty.tcp.port", "2552")]
    [InlineData("Akka.Configuration.Cluster.conf", "akka.cluster.failure-detector.threshold", "8.0")]
    public void Reference_configurations_are_embedded(string resource, string path, string expected) =>
        Assert.Equal(expected, ConfigurationFactory.FromResource(resource).GetString(path));

    [Fact]
    public void Random_text_is_read_or_refused_but_never_worse()
    {
        const string alphabet = "ab.={}[]\"$?\\,:#/ \n+1";
        var random = new Random(7);
        for (var round = 0; round < 20_000; round++)
        {
            var text = new string([.. Enumerable.Range(0, random.Next(40)).Select(_ => alphabet[random.Next(alphabet.Length)])]);
            try
            {
                _ = Parse(text).ToString(includeFallback: true);
            }
            catch (Exception error) when (error is HoconParserException or FormatException)
            {
            }
            catch (Exception error)
            {
                Assert.Fail($"seed 7, round {round}: {error.GetType().Name} for <{text}>");
            }
        }
    }
}
