using System.Runtime.InteropServices;

namespace Colo.Vmm.Cpu.Decode;

/// <summary>
/// Bump allocation of blocks in pieces that are used in turn: when the bound is reached, the oldest piece has to be
/// given up before there is room again. A boot of Debian decodes 22 MB in all, but little of it is in use at any time.
/// </summary>
internal sealed unsafe class CodeArena(int bytesMax) : IDisposable
{
    public const int PieceBytes = 256 << 10;

    private readonly nint[] _pieces = new nint[Math.Max(2, bytesMax / PieceBytes)];
    private int _current = -1;
    private bool _isRound;
    private byte* _next;
    private byte* _end;

    ~CodeArena() => Free();

    /// <summary>16-byte aligned memory, not cleared; null when <see cref="GiveUpOldest"/> has to make room.</summary>
    public byte* Allocate(int bytes)
    {
        bytes = AllocatedBytes(bytes);
        if (_next + bytes > _end)
        {
            if (_isRound || _current + 1 == _pieces.Length)
            {
                return null;
            }

            if (_current >= 0)
            {
                Close();
            }

            _pieces[++_current] = (nint)NativeMemory.AlignedAlloc(PieceBytes, 64);
            Open();
        }

        byte* result = _next;
        _next += bytes;
        return result;
    }

    /// <summary>The piece that is used next, with blocks from its beginning to <paramref name="end"/>; its content is
    /// void with the next <see cref="Allocate"/>.</summary>
    public byte* GiveUpOldest(out byte* end)
    {
        Close();
        _isRound = true;
        _current = (_current + 1) % _pieces.Length;
        byte* piece = (byte*)_pieces[_current];
        end = piece + *Filled(piece);
        Open();
        return piece;
    }

    public static int AllocatedBytes(int bytes) => bytes + 15 & ~15;

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    /// <summary>The last word of a piece: how many of its bytes hold blocks.</summary>
    private static long* Filled(byte* piece) => (long*)(piece + PieceBytes) - 1;

    private void Open()
    {
        _next = (byte*)_pieces[_current];
        _end = _next + PieceBytes - sizeof(long);
    }

    private void Close()
    {
        byte* piece = (byte*)_pieces[_current];
        *Filled(piece) = _next - piece;
    }

    private void Free()
    {
        for (int i = 0; i < _pieces.Length; i++)
        {
            NativeMemory.AlignedFree((void*)_pieces[i]);
            _pieces[i] = 0;
        }
    }
}
