using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Colo.Vmm.Qmp;

namespace Colo.Vmm.Tests.Qmp;

public class QmpSessionTests
{
    private readonly List<JsonElement> _sent = [];
    private readonly QmpSession _session;

    public QmpSessionTests()
    {
        var commands = new QmpCommandTable();
        commands.Add("query-version", () => new QmpReply.Success(QmpSession.Version));
        commands.Add(new QmpCommand("echo", a => new QmpReply.Success(JsonNode.Parse(a.GetRawText())!)) { Arguments = ["text"] });
        commands.Add(new QmpCommand("now", _ => QmpReply.Done) { OutOfBand = true });
        commands.Add("fail", () => new QmpReply.Failure(QmpErrorClass.DeviceNotFound, "no such device"));
        _session = new QmpSession(commands, TimeProvider.System, line =>
        {
            Assert.EndsWith("\r\n", Encoding.ASCII.GetString(line));
            _sent.Add(JsonDocument.Parse(line).RootElement);
        }, command => command());
    }

    private JsonElement Say(string text)
    {
        int before = _sent.Count;
        _session.Feed(Encoding.UTF8.GetBytes(text));
        Assert.Equal(before + 1, _sent.Count);
        return _sent[^1];
    }

    private void Negotiate(string arguments = "") => Say("{\"execute\":\"qmp_capabilities\"" + arguments + "}");

    private static string ErrorClass(JsonElement reply) => reply.GetProperty("error").GetProperty("class").GetString()!;

    [Fact]
    public void Greeting_names_a_version_and_offers_oob()
    {
        _session.Greet();
        JsonElement greeting = _sent[0].GetProperty("QMP");
        Assert.Equal("oob", greeting.GetProperty("capabilities")[0].GetString());
        Assert.Equal(JsonValueKind.Number, greeting.GetProperty("version").GetProperty("qemu").GetProperty("major").ValueKind);
    }

    [Fact]
    public void Nothing_but_negotiation_is_known_before_it_and_negotiation_only_once()
    {
        Assert.Equal("CommandNotFound", ErrorClass(Say("{\"execute\":\"query-version\"}")));
        Negotiate();
        Assert.Equal("CommandNotFound", ErrorClass(Say("{\"execute\":\"qmp_capabilities\"}")));
        Assert.True(Say("{\"execute\":\"query-version\"}").TryGetProperty("return", out _));
    }

    [Fact]
    public void Capability_that_was_not_offered_is_refused()
    {
        JsonElement reply = Say("{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"magic\"]}}");
        Assert.Equal("GenericError", ErrorClass(reply));
    }

    [Fact]
    public void Id_comes_back_with_results_and_errors()
    {
        Negotiate();
        Assert.Equal(7, Say("{\"execute\":\"query-version\",\"id\":7}").GetProperty("id").GetInt32());
        JsonElement reply = Say("{\"execute\":\"fail\",\"id\":{\"a\":[1]}}");
        Assert.Equal("DeviceNotFound", ErrorClass(reply));
        Assert.Equal("{\"a\":[1]}", reply.GetProperty("id").GetRawText());
        Assert.False(Say("{\"execute\":\"fail\"}").TryGetProperty("id", out _));
    }

    [Fact]
    public void Objects_need_no_newline_between_them_and_may_arrive_in_pieces()
    {
        Negotiate();
        byte[] text = Encoding.UTF8.GetBytes("{\"execute\":\"query-version\",\"id\":1}{'execute':'echo','arguments':{'text':'a\"}{\\'b'},'id':2} {\"execute\":\"fail\",\"id\":3}");
        int before = _sent.Count;
        foreach (byte b in text)
        {
            _session.Feed([b]);
        }

        Assert.Equal(before + 3, _sent.Count);
        Assert.Equal([1, 2, 3], _sent[before..].Select(r => r.GetProperty("id").GetInt32()));
        Assert.Equal("a\"}{'b", _sent[before + 1].GetProperty("return").GetProperty("text").GetString());
    }

    [Fact]
    public void Unknown_arguments_and_members_are_refused()
    {
        Negotiate();
        Assert.Equal("GenericError", ErrorClass(Say("{\"execute\":\"echo\",\"arguments\":{\"other\":1}}")));
        Assert.Equal("GenericError", ErrorClass(Say("{\"execute\":\"echo\",\"argument\":{}}")));
        Assert.Equal("GenericError", ErrorClass(Say("{\"arguments\":{}}")));
        Assert.Equal("GenericError", ErrorClass(Say("{\"execute\":5}")));
        Assert.Equal("GenericError", ErrorClass(Say("[1]")));
    }

    [Fact]
    public void Out_of_band_needs_the_capability_and_a_command_that_allows_it()
    {
        Negotiate(",\"arguments\":{\"enable\":[\"oob\"]}");
        Assert.True(Say("{\"exec-oob\":\"now\"}").TryGetProperty("return", out _));
        Assert.Equal("GenericError", ErrorClass(Say("{\"exec-oob\":\"query-version\"}")));
    }

    [Fact]
    public void Events_are_sent_only_after_negotiation()
    {
        _session.SendEvent("STOP", null);
        Assert.Empty(_sent);
        Negotiate();
        _session.SendEvent("RESET", new JsonObject { ["guest"] = false });
        Assert.Equal("RESET", _sent[^1].GetProperty("event").GetString());
        Assert.Equal(JsonValueKind.Number, _sent[^1].GetProperty("timestamp").GetProperty("microseconds").ValueKind);
    }

    [Fact]
    public void Control_character_resynchronises_a_broken_stream()
    {
        Negotiate();
        _session.Feed("{\"execute\":\"echo"u8);
        _session.Feed([0xff]);
        Assert.True(Say("{\"execute\":\"query-version\"}").TryGetProperty("return", out _));
    }

    [Fact]
    public void Noise_never_throws_and_memory_stays_bounded()
    {
        const int seed = 20;
        var random = new Random(seed);
        var noise = new byte[4096];
        byte[] alphabet = [.. "{}[]\"'\\,:ae1 \n\x01"u8];
        for (int i = 0; i < 200; i++)
        {
            for (int j = 0; j < noise.Length; j++)
            {
                noise[j] = random.Next(20) == 0 ? (byte)random.Next(256) : alphabet[random.Next(alphabet.Length)];
            }

            _session.Feed(noise);
        }

        _session.Feed([0xff]);
        byte[] huge = Encoding.ASCII.GetBytes("{\"execute\":\"" + new string('x', 2 << 20) + "\"}");
        Assert.Equal("GenericError", ErrorClass(Say(Encoding.ASCII.GetString(huge))));
    }
}
