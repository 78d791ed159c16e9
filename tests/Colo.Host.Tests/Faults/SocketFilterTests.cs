using System.Net;
using System.Net.Sockets;
using Colo.Host.Faults;

namespace Colo.Host.Tests.Faults;

/// <summary>A link that carries nothing in one direction.</summary>
public sealed class SocketFilterTests
{
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task A_deaf_socket_hears_nothing_of_the_address_and_everything_afterwards()
    {
        IPAddress far = IPAddress.Parse("127.99.1.2");
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        using var theirs = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        theirs.Bind(new IPEndPoint(far, 0));
        theirs.Connect(listener.LocalEndPoint!);
        using Socket ours = listener.Accept();
        int number = (int)ours.Handle;

        // Of another address it hears all the same.
        Assert.True(SocketFilter.TryAttach(number, [IPAddress.Parse("127.99.1.3")]));
        theirs.Send("a"u8);
        Assert.Equal('a', await NextAsync(ours));

        Assert.True(SocketFilter.TryAttach(number, [IPAddress.Parse("127.99.1.3"), far]));
        theirs.Send("b"u8);
        Task<char> next = NextAsync(ours);
        Assert.False(next.IsCompleted);
        Assert.True(SocketFilter.TryDetach(number));
        Assert.Equal('b', await next.WaitAsync(Hang)); // TCP has sent it again
    }

    [Fact]
    public void What_is_no_socket_takes_no_filter() => Assert.False(SocketFilter.TryAttach(-1, [IPAddress.Loopback]));

    [Fact]
    public void The_program_drops_each_address_and_keeps_the_rest()
    {
        SocketFilter.Instruction[] program = SocketFilter.Program(
            [IPAddress.Parse("10.0.0.1"), IPAddress.Parse("10.0.0.2"), IPAddress.IPv6Loopback]);
        Assert.Equal(5, program.Length);
        Assert.Equal(0x0A000001u, program[1].Value);
        // Each jumps to the last instruction, which keeps nothing.
        Assert.Equal(4, 1 + 1 + program[1].IfTrue);
        Assert.Equal(4, 2 + 1 + program[2].IfTrue);
        Assert.Equal((uint.MaxValue, 0u), (program[3].Value, program[4].Value));
    }

    private static async Task<char> NextAsync(Socket socket)
    {
        byte[] one = new byte[1];
        using var late = new CancellationTokenSource(Hang);
        Assert.Equal(1, await socket.ReceiveAsync(one, late.Token));
        return (char)one[0];
    }
}
