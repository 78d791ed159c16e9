using System.Buffers.Text;
using System.Runtime.InteropServices;
using System.Text;

namespace Colo.Vmm.Memory;

/// <summary>
/// The pages of the runtime's and the program's own files that this process has mapped: about 33 MiB after a start,
/// most of which only the start needed. They are clean copies of what the host's page cache holds, so they can be given
/// back at any time; what is executed again comes back by a minor fault. Linux, proc_pid_smaps(5).
/// </summary>
/// <remarks>
/// SAFETY: between reading where a file is mapped and giving its pages back another thread might unmap it and get
/// memory of its own there, which would be lost. So only files count that stay mapped as long as the process lives: the
/// assemblies that were loaded before the look, and the runtime's native libraries. Of those, only mappings that cannot
/// be written and have no page of their own (Anonymous: 0), as relocation makes them; of such madvise(2) MADV_DONTNEED
/// loses nothing.
/// </remarks>
public static unsafe partial class RuntimeFiles
{
    private const int DontNeed = 4;
    private const int LineMax = 8192;

    /// <summary>Gives the pages back. Any thread; a few milliseconds. Nothing happens where there is no
    /// smaps.</summary>
    public static void GiveBackPages()
    {
        try
        {
            byte[][] files = [.. StayingFiles().Select(Encoding.UTF8.GetBytes)];
            using var maps = new FileStream("/proc/self/smaps", FileMode.Open, FileAccess.Read, FileShare.Read, 0);
            GiveBackPages(maps, files);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // No Linux; nothing is lost.
        }
    }

    private static IEnumerable<string> StayingFiles() =>
        AppDomain.CurrentDomain.GetAssemblies()
            .Where(assembly => !assembly.IsDynamic && assembly.Location.Length > 0)
            .Select(assembly => assembly.Location)
            .Concat(Directory.EnumerateFiles(RuntimeEnvironment.GetRuntimeDirectory(), "*.so"));

    private static void GiveBackPages(Stream maps, byte[][] files)
    {
        var buffer = new byte[LineMax];
        int filled = 0;
        ulong start = 0;
        ulong end = 0;
        int got;
        while ((got = maps.Read(buffer, filled, buffer.Length - filled)) > 0)
        {
            filled += got;
            int at = 0;
            int length;
            while ((length = buffer.AsSpan(at, filled - at).IndexOf((byte)'\n')) >= 0)
            {
                ReadOnlySpan<byte> line = buffer.AsSpan(at, length);
                at += length + 1;
                if (line.StartsWith("Anonymous:"u8))
                {
                    if (start != 0 && line.EndsWith(" 0 kB"u8))
                    {
                        _ = Advise((nint)start, (nuint)(end - start), DontNeed);
                    }

                    start = 0;
                }
                else if (IsHeader(line))
                {
                    start = TryReadFile(line, files, out ulong from, out end) ? from : 0;
                }
            }

            buffer.AsSpan(at, filled - at).CopyTo(buffer);
            filled -= at;
        }
    }

    /// <summary>Only a mapping's first line begins with a digit or a small letter.</summary>
    private static bool IsHeader(ReadOnlySpan<byte> line) =>
        line.Length > 0 && line[0] is (>= (byte)'0' and <= (byte)'9') or (>= (byte)'a' and <= (byte)'f');

    /// <summary>"start-end perms offset device inode   path": whether its pages may be given back.</summary>
    private static bool TryReadFile(ReadOnlySpan<byte> line, byte[][] files, out ulong start, out ulong end)
    {
        end = 0;
        if (!Utf8Parser.TryParse(line, out start, out int digits, 'x')
            || !Utf8Parser.TryParse(line[(digits + 1)..], out end, out int more, 'x'))
        {
            return false;
        }

        ReadOnlySpan<byte> rights = line[(digits + more + 2)..];
        int path = line.IndexOf((byte)'/');
        if (path < 0 || rights.Length < 4)
        {
            return false;
        }

        if (rights[1] == (byte)'w')
        {
            return false;
        }

        foreach (byte[] file in files)
        {
            if (line[path..].SequenceEqual(file))
            {
                return true;
            }
        }

        return false;
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint length, int advice);
}
