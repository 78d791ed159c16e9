using Akka.Configuration;
using Akka.Configuration.Hocon;

namespace Colo.Akka.Tests.Configuration;

public class HoconTextTests
{
    private static Config Parse(string text) => ConfigurationFactory.ParseString(text);

    [Fact]
    public void Joins_unquoted_words_of_a_line() => Assert.Equal("foo bar", Parse("a = foo bar  \nb = 1").GetString("a"));

    [Fact]
    public void Keeps_new_lines_in_triple_quotes() =>
        Assert.Equal("x\n  \"y\"\\n", Parse("a = \"\"\"x\n  \"y\"\\n\"\"\"").GetString("a"));

    [Theory]
    [InlineData("a = 1 # comment\nb = 2")]
    [InlineData("a = 1 // comment\nb = 2")]
    [InlineData("a : 1, b : 2")]
    [InlineData("{ a = 1, b = 2 }")]
    [InlineData("// first\na=1\n\n#x\nb=2")]
    public void Accepts_comments_separators_and_outer_braces(string text)
    {
        var config = Parse(text);
        Assert.Equal(1, config.GetInt("a"));
        Assert.Equal(2, config.GetInt("b"));
    }

    [Fact]
    public void Merges_objects_of_the_same_key()
    {
        var config = Parse("a { x = 1, y = 1 }\na { y = 2, z { w = 3 } }\na.z.v = 4");
        Assert.Equal((1, 2, 3, 4), (config.GetInt("a.x"), config.GetInt("a.y"), config.GetInt("a.z.w"), config.GetInt("a.z.v")));
    }

    [Fact]
    public void A_later_scalar_replaces_an_object_and_the_other_way_round()
    {
        Assert.Equal(5, Parse("a { x = 1 }\na = 5").GetInt("a"));
        Assert.Null(Parse("a { x = 1 }\na = 5").GetString("a.x"));
        Assert.Equal(1, Parse("a = 5\na { x = 1 }").GetInt("a.x"));
    }

    [Fact]
    public void A_brace_may_stand_on_the_next_line() => Assert.Equal(1, Parse("a\n{\n  b\n  {\n c = 1 } }").GetInt("a.b.c"));

    [Fact]
    public void Resolves_substitutions_forward_and_inside_text()
    {
        var config = Parse("a = ${b}\nc = x ${b} y\nb = 3");
        Assert.Equal(3, config.GetInt("a"));
        Assert.Equal("x 3 y", config.GetString("c"));
    }

    [Fact]
    public void Merges_a_substituted_object_with_the_one_beside_it()
    {
        var config = Parse("b { x = 1 }\na = ${b} { y = 2 }");
        Assert.Equal((1, 2), (config.GetInt("a.x"), config.GetInt("a.y")));
    }

    [Fact]
    public void A_second_object_gives_up_what_a_substitution_brought()
    {
        var config = Parse("b { x = 1 }\na = ${b}\na { y = 2 }");
        Assert.Equal((0, 2), (config.GetInt("a.x"), config.GetInt("a.y")));
    }

    [Fact]
    public void A_missing_substitution_is_a_format_error_and_an_optional_one_is_null()
    {
        Assert.Throws<FormatException>(() => Parse("a = ${b}"));
        Assert.Null(Parse("a = ${?b}").GetString("a"));
    }

    [Fact]
    public void Environment_variables_are_not_looked_up()
    {
        Assert.Throws<FormatException>(() => Parse("a = ${PATH}"));
        Assert.Null(Parse("a = ${?PATH}").GetString("a"));
    }

    [Theory]
    [InlineData("a = ${a}")]
    [InlineData("a = ${b}\nb = ${c}\nc = ${a}")]
    [InlineData("a { b = ${a} }")]
    public void A_substitution_that_leads_to_itself_is_refused(string text) =>
        Assert.Throws<FormatException>(() => Parse(text));

    [Fact]
    public void Plus_equals_is_not_supported_and_leaves_the_first_value() =>
        Assert.Equal(["1"], Parse("a = [1]\na += [2]").GetStringList("a"));

    [Fact]
    public void Arrays_side_by_side_are_one_array()
    {
        Assert.Equal([1, 2], Parse("a = [1] [2]").GetIntList("a"));
        Assert.Equal([1, 2], Parse("a = [1\n2]").GetIntList("a"));
        Assert.Equal([1, 2], Parse("a = [1,2,]").GetIntList("a"));
    }

    [Theory]
    [InlineData("a { b = 1")]
    [InlineData("a { b = 1 }")]
    public void An_open_brace_at_the_end_counts_as_closed(string text) => Assert.Equal(1, Parse(text).GetInt("a.b"));

    [Fact]
    public void An_open_bracket_at_the_end_counts_as_closed() => Assert.Equal([1, 2], Parse("a = [1, 2").GetIntList("a"));

    [Fact]
    public void A_quoted_key_is_one_key_and_is_asked_for_with_quotes()
    {
        var config = Parse("\"a.b\" = 1\nc.\"d.e\".f = 2");
        Assert.Equal(1, config.GetInt("\"a.b\""));
        Assert.Equal(0, config.GetInt("a.b"));
        Assert.Equal(2, config.GetInt("c.\"d.e\".f"));
        Assert.Equal("a.b", config.AsEnumerable().First().Key);
    }

    [Fact]
    public void Reads_escapes() => Assert.Equal("a\t\"\u00e9\\", Parse("a = \"a\\t\\\"\\u00e9\\\\\"").GetString("a"));

    [Fact]
    public void Include_asks_the_callback_and_moves_substitutions_under_the_including_path()
    {
        HoconRoot Include(string name) => Parser.Parse($"from = {name}\nsame = ${{from}}", null);
        var config = ConfigurationFactory.ParseString("a { include \"other\"\n x = 1 }", Include);
        Assert.Equal("other", config.GetString("a.same"));
        Assert.Equal(1, config.GetInt("a.x"));
    }
}
