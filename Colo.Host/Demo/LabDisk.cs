using System.Globalization;

namespace Colo.Host.Demo;

/// <summary>The replicated disk of a lab's guest, seen from outside: made with e2fsprogs, and looked at with
/// them.</summary>
internal static class LabDisk
{
    private const int RecordBytes = 4096;

    private static readonly string[] ToolFolders = ["/usr/sbin/", "/sbin/", "/usr/bin/"];

    /// <summary>An ext4 file system on a new image. Nothing is left for the guest to write later by itself.</summary>
    public static async Task FormatAsync(string image) =>
        await ToolAsync("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
            .ConfigureAwait(false);

    /// <summary>
    /// What a power cut at this moment would leave: the image as it is, its journal replayed, must be whole and must
    /// have every record that the guest has acknowledged.
    /// </summary>
    /// <param name="image">An image that nobody writes now; it is not changed.</param>
    /// <param name="acknowledged">Records 0 to this one, exclusive.</param>
    /// <param name="folder">Takes the copy.</param>
    public static async Task AssertHasAsync(string image, long acknowledged, string folder)
    {
        string copy = Path.Combine(folder, "copy.img");
        File.Copy(image, copy, overwrite: true);
        await ToolAsync("e2fsck", "-E", "journal_only", "-y", copy).ConfigureAwait(false);
        await AssertCleanAsync(copy, acknowledged, folder).ConfigureAwait(false);
        File.Delete(copy);
    }

    /// <summary>The file system is whole as it is, and has every record.</summary>
    private static async Task AssertCleanAsync(string image, long acknowledged, string folder)
    {
        await ToolAsync("e2fsck", "-f", "-n", image).ConfigureAwait(false);
        string records = Path.Combine(folder, "records");
        await ToolAsync("debugfs", "-R", $"dump /records {records}", image).ConfigureAwait(false);
        byte[] content = await File.ReadAllBytesAsync(records).ConfigureAwait(false);
        if (content.Length < acknowledged * RecordBytes)
        {
            throw new InvalidOperationException(
                $"{acknowledged} records were acknowledged, the disk has {content.Length / RecordBytes}");
        }

        byte[] expected = new byte[RecordBytes];
        for (long number = 0; number < acknowledged; number++)
        {
            expected.AsSpan().Fill((byte)' ');
            expected[^1] = (byte)'\n';
            number.TryFormat(expected, out _, provider: CultureInfo.InvariantCulture);
            if (!content.AsSpan((int)number * RecordBytes, RecordBytes).SequenceEqual(expected))
            {
                throw new InvalidOperationException(
                    $"record {number} of {acknowledged} that were acknowledged is not on the disk");
            }
        }
    }

    public static async Task<bool> AreEqualAsync(string one, string other)
    {
        byte[] first = await File.ReadAllBytesAsync(one).ConfigureAwait(false);
        byte[] second = await File.ReadAllBytesAsync(other).ConfigureAwait(false);
        return first.AsSpan().SequenceEqual(second);
    }

    private static async Task ToolAsync(string program, params string[] arguments)
    {
        string path = ToolFolders.Select(folder => folder + program).FirstOrDefault(File.Exists)
            ?? throw new InvalidOperationException($"{program} is not here; install e2fsprogs");
        (int code, string output) = await LabCluster.RunAsync(NetworkLab.Client, path, arguments).ConfigureAwait(false);
        if (code != 0)
        {
            throw new InvalidOperationException(
                $"{program} {string.Join(' ', arguments)} ended with {code}: {output.Trim()}");
        }
    }
}
