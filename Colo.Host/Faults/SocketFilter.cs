using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Colo.Host.Faults;

/// <summary>
/// Makes sockets of this process deaf to some IPv4 addresses, as a cable does that carries nothing in this direction:
/// the kernel drops what comes before TCP sees it, and TCP repeats, gives up or goes on afterwards by its own rules. A
/// classic BPF program on each socket (socket(7), SO_ATTACH_FILTER), which needs no privilege. On a listening socket it
/// keeps new connections out.
/// </summary>
internal static partial class SocketFilter
{
    private const int SolSocket = 1;
    private const int AttachFilter = 26;
    private const int DetachFilter = 27;

    // From linux/filter.h and linux/bpf_common.h: load a word, jump if equal, return.
    private const ushort LoadWord = 0x20;
    private const ushort JumpIfEqual = 0x15;
    private const ushort Return = 0x06;

    // The network header begins here, wherever the packet's data do; the source address is its fourth word.
    private const uint SourceAddress = unchecked((uint)-0x100000) + 12;

    /// <summary>Drops what comes from these addresses; takes the place of an earlier filter.</summary>
    /// <returns>False when this is no socket, or none that takes a filter.</returns>
    public static bool TryAttach(int socket, IReadOnlyCollection<IPAddress> from)
    {
        Instruction[] program = Program(from);
        GCHandle pinned = GCHandle.Alloc(program, GCHandleType.Pinned);
        try
        {
            var filter = new FilterProgram
            {
                Length = (ushort)program.Length, Instructions = pinned.AddrOfPinnedObject(),
            };
            return SetOption(socket, SolSocket, AttachFilter, ref filter, Marshal.SizeOf<FilterProgram>()) == 0;
        }
        finally
        {
            pinned.Free();
        }
    }

    /// <summary>Hears everything again.</summary>
    public static bool TryDetach(int socket)
    {
        int nothing = 0;
        return SetOption(socket, SolSocket, DetachFilter, ref nothing, sizeof(int)) == 0;
    }

    /// <summary>The program: the source address against each of them.</summary>
    internal static Instruction[] Program(IReadOnlyCollection<IPAddress> from)
    {
        uint[] addresses = [.. from.Where(address => address.AddressFamily == AddressFamily.InterNetwork)
            .Select(address => BinaryPrimitives.ReadUInt32BigEndian(address.GetAddressBytes()))];
        int length = addresses.Length;
        return
        [
            new Instruction(LoadWord, 0, 0, SourceAddress),
            .. addresses.Select((address, index) => new Instruction(JumpIfEqual, (byte)(length - index), 0, address)),
            new Instruction(Return, 0, 0, uint.MaxValue),
            new Instruction(Return, 0, 0, 0),
        ];
    }

    [LibraryImport("libc", EntryPoint = "setsockopt", SetLastError = true)]
    private static partial int SetOption(int socket, int level, int name, ref FilterProgram value, int length);

    [LibraryImport("libc", EntryPoint = "setsockopt", SetLastError = true)]
    private static partial int SetOption(int socket, int level, int name, ref int value, int length);

    /// <summary>struct sock_filter.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal readonly record struct Instruction(ushort Code, byte IfTrue, byte IfFalse, uint Value);

    /// <summary>struct sock_fprog.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct FilterProgram
    {
        public ushort Length;
        public nint Instructions;
    }
}
