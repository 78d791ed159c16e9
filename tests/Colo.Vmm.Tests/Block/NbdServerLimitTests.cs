using Colo.Vmm.Block;
using Colo.Vmm.Block.Nbd;

namespace Colo.Vmm.Tests.Block;

/// <summary>What the client makes of servers that ask for more than ours does, or lie.</summary>
public sealed class NbdServerLimitTests
{
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);

    /// <summary>The caller may use its memory again when a write completes, and the server would get what is there
    /// then.</summary>
    [Fact]
    public async Task An_answer_to_a_write_that_is_still_being_sent_does_not_complete_it()
    {
        using var server = new HandNbdServer(NbdProtocol.FlagHasFlags);
        using NbdClient client = await server.OpenAsync();
        Task<BlockStatus> read = client.ReadAsync(0, new byte[512]).AsTask();
        var asked = server.ReadRequest();

        // More than sockets take while nobody reads: the thread of the first one sends the second one as well, whose
        // caller waits for the answer only.
        byte[] data = new byte[16 << 20];
        new Random(1).NextBytes(data);
        Task<BlockStatus> first = Task.Run(async () => await client.WriteAsync(4096, new byte[data.Length]));
        var sent = server.ReadRequest();
        Task<BlockStatus> second = client.WriteAsync(32 << 20, data).AsTask();
        server.ReadPayload(data.Length);
        var early = server.ReadRequest();
        Assert.Equal((NbdProtocol.CommandWrite, data.Length), (early.Type, early.Length));
        server.Answer(early.Cookie);
        server.Answer(asked.Cookie, new byte[512]);
        Assert.Equal(BlockStatus.Ok, await read.WaitAsync(Hang));
        Assert.False(second.IsCompleted, "a write is complete that has not been sent");

        Assert.Equal(data, server.ReadPayload(data.Length));
        Assert.Equal(BlockStatus.Ok, await second.WaitAsync(Hang));
        server.Answer(sent.Cookie);
        Assert.Equal(BlockStatus.Ok, await first.WaitAsync(Hang));
    }

    [Fact]
    public async Task A_second_answer_to_a_write_that_is_still_being_sent_ends_the_link()
    {
        using var server = new HandNbdServer(NbdProtocol.FlagHasFlags);
        using NbdClient client = await server.OpenAsync();
        Task<BlockStatus> write = Task.Run(async () => await client.WriteAsync(4096, new byte[16 << 20]));
        var changed = server.ReadRequest();
        server.Answer(changed.Cookie);
        server.Answer(changed.Cookie);
        Assert.Equal(BlockStatus.PeerLost, await write.WaitAsync(Hang));
        Assert.Equal("the server broke the protocol", client.LossReason);
    }
}
