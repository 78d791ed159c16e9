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

    [Fact]
    public async Task An_export_whose_blocks_are_larger_than_a_sector_is_refused_with_both_numbers()
    {
        using var server = new HandNbdServer(NbdProtocol.FlagHasFlags, blockSizeMin: 4096);
        var error = await Assert.ThrowsAsync<IOException>(server.OpenAsync);
        Assert.Contains("blocks of 4096 bytes at least, expected 512", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Requests_are_split_by_the_payload_that_the_server_takes()
    {
        const int limit = 64 << 10;
        using var server = new HandNbdServer(NbdProtocol.FlagHasFlags | NbdProtocol.FlagFua, payloadMax: limit + 100);
        using NbdClient client = await server.OpenAsync();
        byte[] data = new byte[(2 * limit) + 512];
        new Random(2).NextBytes(data);
        Task<BlockStatus> write = Task.Run(async () => await client.WriteAsync(512, data, forceUnitAccess: true));
        for (int at = 0; at < data.Length; at += limit)
        {
            int length = Math.Min(limit, data.Length - at);
            var (flags, type, cookie, offset, asked) = server.ReadRequest();
            Assert.Equal((NbdProtocol.CommandFlagFua, NbdProtocol.CommandWrite, 512L + at, length), (flags, type, offset, asked));
            Assert.Equal(data[at..(at + length)], server.ReadPayload(length));
            server.Answer(cookie);
        }

        Assert.Equal(BlockStatus.Ok, await write.WaitAsync(Hang));
        byte[] seen = new byte[data.Length];
        Task<BlockStatus> read = client.ReadAsync(512, seen).AsTask();
        for (int at = 0; at < data.Length; at += limit)
        {
            var (_, _, cookie, offset, asked) = server.ReadRequest();
            Assert.Equal((512L + at, Math.Min(limit, data.Length - at)), (offset, asked));
            server.Answer(cookie, data[at..(at + asked)]);
        }

        Assert.Equal(BlockStatus.Ok, await read.WaitAsync(Hang));
        Assert.Equal(data, seen);
    }
}
