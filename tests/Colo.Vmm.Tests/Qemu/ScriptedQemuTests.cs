using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Colo.Vmm.Qemu;

namespace Colo.Vmm.Tests.Qemu;

/// <summary>The monitor against a server that follows a script: refusals, silence, garbage and closed
/// sockets.</summary>
public sealed class ScriptedQemuTests : IDisposable
{
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);
    private readonly string folder = Directory.CreateTempSubdirectory("colo-qmp").FullName;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_refused_command_is_told_with_its_name_and_the_way_back_is_gone(int refused)
    {
        string[] names = ["one", "two", "three"];
        List<string> heard = [];
        await using QemuMonitor monitor = await ConnectAsync(command =>
        {
            heard.Add(command);
            return command == names[refused] ? """{"error":{"class":"GenericError","desc":"not today"},""" : """{"return":{},""";
        });

        QemuMove end = await monitor.RunAsync(new QemuPlan("three", [.. names.Select(name => new QemuStep(name) { Undo = [new QemuStep("un" + name)] })])).WaitAsync(Hang);

        Assert.Equal((names[refused], "not today"), end is QemuMove.RolledBack back ? (back.Step, back.Reason) : default);
        Assert.Equal([.. names[..(refused + 1)], .. names[..(refused + 1)].Reverse().Select(name => "un" + name)], heard);
    }

    [Fact]
    public async Task A_command_without_an_answer_is_given_up_and_taken_back()
    {
        await using QemuMonitor monitor = await ConnectAsync(command => command == "mute" ? null : """{"return":{},""");

        QemuMove end = await monitor.RunAsync(
            new QemuPlan("mute", [new QemuStep("mute") { Timeout = TimeSpan.FromMilliseconds(50), Undo = [new QemuStep("undo")] }])).WaitAsync(Hang);

        Assert.Equal("mute", Assert.IsType<QemuMove.RolledBack>(end).Step);
    }

    [Fact]
    public async Task What_is_given_up_is_taken_back_and_that_is_waited_for()
    {
        using var giveUp = new CancellationTokenSource();
        List<string> heard = [];
        await using QemuMonitor monitor = await ConnectAsync(command =>
        {
            heard.Add(command);
            if (command == "work")
            {
                giveUp.CancelAfter(TimeSpan.Zero); // when it waits for its event, or before
            }

            const string gone = """{"event":"JOB_STATUS_CHANGE","timestamp":{"seconds":0,"microseconds":0}}""";
            return command == "cancel" ? "{\"return\":{},\n" + gone : """{"return":{},""";
        });

        // No time-out of its own could end it: only that it is given up, and the event of its cancellation.
        var cancel = new QemuStep("cancel")
        {
            Until = new QemuAwait(happened => happened.Name == "JOB_STATUS_CHANGE", _ => null, Hang * 2),
        };
        var work = new QemuStep("work")
        {
            Until = new QemuAwait(_ => false, _ => null, Hang * 2),
            Undo = [cancel, new QemuStep("delete")],
        };
        QemuMove end = await monitor.RunAsync(new QemuPlan("work", [work]), giveUp.Token).WaitAsync(Hang);

        Assert.Equal([], end is QemuMove.RolledBack back ? back.LeftOver : ["not taken back"]);
        Assert.Equal(["work", "cancel", "delete"], heard);
    }

    [Theory]
    [InlineData("CLOSE")]
    [InlineData("{\"event\": nonsense}")]
    public async Task A_socket_that_closes_or_talks_nonsense_is_a_lost_QEMU(string answer)
    {
        await using QemuMonitor monitor = await ConnectAsync(_ => answer);

        QemuMove end = await monitor.RunAsync(new QemuPlan("any", [new QemuStep("any")])).WaitAsync(Hang);

        Assert.IsType<QemuMove.Lost>(end);
        await monitor.Closed.WaitAsync(Hang);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private async Task<QemuMonitor> ConnectAsync(Func<string, string?> answer)
    {
        string path = Path.Combine(folder, "qmp.sock");
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen(1);
        _ = Task.Run(() => ServeAsync(listener, answer));
        return await QemuMonitor.ConnectAsync(path, _ => { }, TimeProvider.System, Hang, CancellationToken.None);
    }

    private static async Task ServeAsync(Socket listener, Func<string, string?> answer)
    {
        using Socket own = listener;
        using Socket socket = await listener.AcceptAsync();
        await using var stream = new NetworkStream(socket);
        using var reader = new StreamReader(stream);
        await WriteAsync(stream, """{"QMP":{"version":{"qemu":{"major":7,"minor":2,"micro":0},"package":""},"capabilities":["oob"]}}""");
        try
        {
            while (await reader.ReadLineAsync() is { } line)
            {
                JsonElement request = JsonDocument.Parse(line).RootElement;
                string command = request.GetProperty("execute").GetString()!;
                string? said = command == "qmp_capabilities" ? """{"return":{},""" : answer(command);
                if (said == "CLOSE")
                {
                    return;
                }

                foreach (string one in said?.Split('\n') ?? [])
                {
                    string id = request.GetProperty("id").GetString()!;
                    await WriteAsync(stream, one.EndsWith(',') ? $"{one}\"id\":\"{id}\"}}" : one);
                }
            }
        }
        catch (IOException)
        {
            // The client has left.
        }
    }

    private static ValueTask WriteAsync(Stream stream, string text) => stream.WriteAsync(Encoding.UTF8.GetBytes(text + "\r\n"));
}
