using Akka.Configuration;

namespace Colo.Akka.Tests.Configuration;

public class ConfigTests
{
    private static Config Parse(string text) => ConfigurationFactory.ParseString(text);

    [Fact]
    public void Looks_in_the_fallback_for_what_is_missing()
    {
        var config = Parse("a { x = 1 }").WithFallback(Parse("a { x = 9, y = 2 }\nb = 3"));
        Assert.Equal((1, 2, 3), (config.GetInt("a.x"), config.GetInt("a.y"), config.GetInt("b")));
        Assert.Equal(2, config.GetConfig("a").GetInt("y"));
        Assert.Equal(1, config.GetConfig("a").GetInt("x"));
    }

    [Fact]
    public void A_further_fallback_goes_behind_those_there_are()
    {
        var config = Parse("a = 1").WithFallback(Parse("b = 2")).WithFallback(Parse("a = 7, b = 8, c = 3"));
        Assert.Equal((1, 2, 3), (config.GetInt("a"), config.GetInt("b"), config.GetInt("c")));
    }

    [Fact]
    public void WithFallback_leaves_the_original_alone()
    {
        var original = Parse("a = 1");
        _ = original.WithFallback(Parse("b = 2"));
        Assert.Equal(0, original.GetInt("b"));
        Assert.Same(original, original.WithFallback(null));
        Assert.Throws<ArgumentException>(() => original.WithFallback(original));
    }

    [Fact]
    public void Lists_replace_and_do_not_merge() =>
        Assert.Equal(["x"], Parse("a = [x]").WithFallback(Parse("a = [y, z]")).GetStringList("a"));

    [Fact]
    public void Enumerates_keys_of_all_levels_once()
    {
        var config = Parse("a = 1\nb = 2").WithFallback(Parse("b = 3\nc = 4"));
        Assert.Equal(["a", "b", "c"], config.AsEnumerable().Select(item => item.Key));
        Assert.Equal("2", config.AsEnumerable().Single(item => item.Key == "b").Value.GetString());
    }

    [Fact]
    public void Converts_from_text_and_adds()
    {
        Config config = "a = 1";
        Assert.Equal(2, (config + "a = 5, b = 2").GetInt("b"));
        Assert.Equal(7, ("a = 7" + config).GetInt("a"));
    }

    [Fact]
    public void Is_empty_without_keys()
    {
        Assert.True(Config.Empty.IsEmpty);
        Assert.True(((Config?)null).IsNullOrEmpty());
        Assert.False(Config.Empty.WithFallback(Parse("a = 1")).IsEmpty);
        Assert.Equal(1, ((Config?)null).SafeWithFallback(Parse("a = 1")).GetInt("a"));
    }

    [Fact]
    public void Text_reads_back_as_the_same_configuration()
    {
        var config = Parse("a { b = \"x: y\", \"c.d\" = [1, \"\", { e = null }] }").WithFallback(Parse("a.z = 1"));
        var again = Parse(config.ToString(includeFallback: true));
        Assert.Equal("x: y", again.GetString("a.b"));
        Assert.Equal(1, again.GetInt("a.z"));
        Assert.Equal(3, again.GetValue("a.\"c.d\"").GetArray().Count);
    }

    [Fact]
    public void Reads_plain_objects()
    {
        var config = ConfigurationFactory.FromObject(new { akka = new { loglevel = "DEBUG", on = true, list = new[] { 1, 2 } } });
        Assert.Equal("DEBUG", config.GetString("akka.loglevel"));
        Assert.True(config.GetBoolean("akka.on"));
        Assert.Equal([1, 2], config.GetIntList("akka.list"));
    }
}
