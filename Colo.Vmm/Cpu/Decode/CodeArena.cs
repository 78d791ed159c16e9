using System.Runtime.InteropServices;

namespace Colo.Vmm.Cpu.Decode;

/// <summary>Bump allocation of blocks; freed all at once when the bound is reached.</summary>
internal sealed unsafe class CodeArena : IDisposable
{
    /// <summary>All decoded code of a boot takes about 12 MB; the bound leaves room for user programs.</summary>
    private const int ChunkCountMax = 24;
    private const int ChunkBytes = 1 << 20;

    private readonly nint[] _chunks = new nint[ChunkCountMax];
    private int _chunkCount;
    private byte* _next;
    private byte* _end;

    ~CodeArena() => Free();

    /// <summary>16-byte aligned memory, not cleared; null when the bound is reached.</summary>
    public byte* Allocate(int bytes)
    {
        bytes = bytes + 15 & ~15;
        if (_next + bytes > _end)
        {
            if (_chunkCount == ChunkCountMax)
            {
                return null;
            }

            if (_chunks[_chunkCount] == 0)
            {
                _chunks[_chunkCount] = (nint)NativeMemory.AlignedAlloc(ChunkBytes, 64);
            }

            _next = (byte*)_chunks[_chunkCount++];
            _end = _next + ChunkBytes;
        }

        byte* result = _next;
        _next += bytes;
        return result;
    }

    public void Reset()
    {
        _chunkCount = 0;
        _next = null;
        _end = null;
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        for (int i = 0; i < ChunkCountMax; i++)
        {
            NativeMemory.AlignedFree((void*)_chunks[i]);
            _chunks[i] = 0;
        }
    }
}
