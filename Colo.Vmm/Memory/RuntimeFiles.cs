using System.Buffers.Text;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Colo.Vmm.Memory;

/// <summary>
/// The pages of the runtime's and the program's own files that this process has mapped: 20 to 30 MiB, most of which
/// only the start or some seconds of work needed. They are clean copies of what the host's page cache holds, so they
/// can be given back at any time; what is executed again comes back by a minor fault. One thread at a time. Linux,
/// proc_pid_maps(5), proc_pid_pagemap(5), proc_pid_statm(5).
/// </summary>
/// <remarks>
/// SAFETY: between reading where a file is mapped and giving its pages back another thread might unmap it and get
/// memory of its own there, which would be lost. So only files count that stay mapped as long as the process lives: the
/// assemblies that were loaded before the look, the runtime's native libraries and those that the dynamic loader loaded
/// for them. Of those, only mappings that cannot be written and have no page of their own, as relocation makes them; of
/// such madvise(2) MADV_DONTNEED loses nothing. And only mappings that were there, the same, at the look before: the
/// dynamic loader first maps a whole library read-only and then puts its written parts into that.
/// </remarks>
public sealed unsafe partial class RuntimeFiles
{
    private const int DontNeed = 4;
    private const int LineMax = 8192;
    private const ulong PageIsPresent = 1ul << 63;
    private const ulong PageIsSwapped = 1ul << 62;
    private const ulong PageIsOfFile = 1ul << 61;

    /// <summary>What libcoreclr.so is linked with, so that the loader never unloads it.</summary>
    private static readonly string[] s_linked = ["libstdc++.so", "libm.so", "libgcc_s.so", "libc.so"];
    private readonly byte[] _lines = new byte[LineMax];
    private readonly ulong[] _entries = new ulong[1024];
    private readonly List<byte[]> _libraries;
    private List<byte[]> _assemblies = [];
    private int _assemblyCount;
    private HashSet<(ulong Start, ulong End)> _before = [];
    private HashSet<(ulong Start, ulong End)> _now = [];
    private bool _gaveBack;

    /// <summary>Nothing is given back yet.</summary>
    public RuntimeFiles() => _libraries =
        [.. Directory.EnumerateFiles(RuntimeEnvironment.GetRuntimeDirectory(), "*.so").Select(Encoding.UTF8.GetBytes)];

    /// <summary>Bytes of files and of other shared pages that the process has in memory now; 0 where the host does not
    /// say.</summary>
    public long MappedBytes()
    {
        try
        {
            using SafeFileHandle statm = File.OpenHandle("/proc/self/statm");
            Span<byte> text = _lines;
            text = text[..RandomAccess.Read(statm, text, 0)];
            // size, resident, shared, in pages.
            for (int field = 0; field < 2; field++)
            {
                text = text[(text.IndexOf((byte)' ') + 1)..];
            }

            return Utf8Parser.TryParse(text, out long pages, out _) ? pages * Environment.SystemPageSize : 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    /// <summary>
    /// Gives back the pages of what was mapped at the call before this one as it is now: a library that is being loaded
    /// is mapped whole at first, and written afterwards. A millisecond or two, however large the guest. False when
    /// nothing was given back, as at the first call, and where the host does not say what is mapped.
    /// </summary>
    public bool GiveBackPages()
    {
        _gaveBack = false;
        _now.Clear();
        try
        {
            FindAssemblies();
            using var maps = new FileStream("/proc/self/maps", FileMode.Open, FileAccess.Read, FileShare.Read, 0);
            using SafeFileHandle pages = File.OpenHandle("/proc/self/pagemap");
            GiveBackPages(maps, pages);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // No Linux, or one that keeps this from processes; nothing is lost.
        }

        (_before, _now) = (_now, _before);
        return _gaveBack;
    }

    private void FindAssemblies()
    {
        System.Reflection.Assembly[] loaded = AppDomain.CurrentDomain.GetAssemblies();
        if (loaded.Length != _assemblyCount)
        {
            _assemblyCount = loaded.Length;
            _assemblies = [.. loaded.Where(assembly => !assembly.IsDynamic && assembly.Location.Length > 0)
                .Select(assembly => Encoding.UTF8.GetBytes(assembly.Location))];
        }
    }

    private void GiveBackPages(FileStream maps, SafeFileHandle pages)
    {
        int filled = 0;
        int got;
        while ((got = maps.Read(_lines, filled, _lines.Length - filled)) > 0)
        {
            filled += got;
            int at = 0;
            int length;
            while ((length = _lines.AsSpan(at, filled - at).IndexOf((byte)'\n')) >= 0)
            {
                if (TryReadFile(_lines.AsSpan(at, length), out ulong start, out ulong end)
                    && _now.Add((start, end)) && _before.Contains((start, end)) && HasNoPageOfItsOwn(pages, start, end))
                {
                    _gaveBack |= Advise((nint)start, (nuint)(end - start), DontNeed) == 0;
                }

                at += length + 1;
            }

            _lines.AsSpan(at, filled - at).CopyTo(_lines);
            filled -= at;
        }
    }

    /// <summary>"start-end perms offset device inode   path": whether its pages may be given back.</summary>
    private bool TryReadFile(ReadOnlySpan<byte> line, out ulong start, out ulong end)
    {
        end = 0;
        if (!Utf8Parser.TryParse(line, out start, out int digits, 'x')
            || !Utf8Parser.TryParse(line[(digits + 1)..], out end, out int more, 'x'))
        {
            return false;
        }

        ReadOnlySpan<byte> rights = line[(digits + more + 2)..];
        int path = line.IndexOf((byte)'/');
        return path >= 0 && rights.Length >= 4 && rights[1] != (byte)'w' && Stays(line[path..]);
    }

    private bool Stays(ReadOnlySpan<byte> path)
    {
        foreach (byte[] file in _libraries)
        {
            if (path.SequenceEqual(file))
            {
                return true;
            }
        }

        foreach (byte[] file in _assemblies)
        {
            if (path.SequenceEqual(file))
            {
                return true;
            }
        }

        string name = Encoding.UTF8.GetString(path[(path.LastIndexOf((byte)'/') + 1)..]);
        return Array.Exists(s_linked, library => name.StartsWith(library, StringComparison.Ordinal));
    }

    private bool HasNoPageOfItsOwn(SafeFileHandle pages, ulong start, ulong end)
    {
        ulong page = (ulong)Environment.SystemPageSize;
        for (ulong next = start / page; next < end / page;)
        {
            Span<ulong> entries = _entries.AsSpan(0, (int)Math.Min((ulong)_entries.Length, (end / page) - next));
            Span<byte> bytes = MemoryMarshal.AsBytes(entries);
            if (RandomAccess.Read(pages, bytes, (long)next * sizeof(ulong)) != bytes.Length)
            {
                return false;
            }

            foreach (ulong entry in entries)
            {
                if ((entry & PageIsSwapped) != 0 || (entry & (PageIsPresent | PageIsOfFile)) == PageIsPresent)
                {
                    return false;
                }
            }

            next += (ulong)entries.Length;
        }

        return true;
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint length, int advice);
}
