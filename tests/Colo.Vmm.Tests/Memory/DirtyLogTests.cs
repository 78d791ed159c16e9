using Colo.Vmm.Cpu;
using Colo.Vmm.Memory;
using Colo.Vmm.Tests.Cpu;

namespace Colo.Vmm.Tests.Memory;

/// <summary>
/// A guest that stores at random addresses in 4 MiB, beside a device that does the same: the dirty log misses nothing,
/// and a capture keeps the content of its beginning.
/// </summary>
public sealed class DirtyLogTests
{
    private const ulong RamBytes = 8 << 20;
    private const int Swaps = 12;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Ram_at_a_swap_plus_the_pages_reported_is_ram_at_the_next_swap(int seed)
    {
        using GuestRam ram = new(BareMetal.RamBase, RamBytes);
        using Hart hart = StartStores(ram, seed);
        Random random = new(seed);
        byte[] copy = new byte[RamBytes];
        _ = ram.SwapDirty();
        Snapshot(ram, copy);
        for (int swap = 0; swap < Swaps; swap++)
        {
            RunAndDma(ram, hart, random);
            DirtyPages dirty = ram.SwapDirty();
            int cursor = 0;
            while (dirty.NextSet(ref cursor, out int page))
            {
                ram.ReadPage(page).CopyTo(copy.AsSpan(page * GuestRam.PageSize));
            }

            for (int page = 0; page < ram.PageCount; page++)
            {
                Assert.True(
                    ram.ReadPage(page).SequenceEqual(copy.AsSpan(page * GuestRam.PageSize, GuestRam.PageSize)),
                    $"seed {seed}, swap {swap}: page {page} changed but was not reported");
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Capture_yields_ram_as_of_its_beginning_while_guest_and_device_write(int seed)
    {
        using GuestRam ram = new(BareMetal.RamBase, RamBytes);
        using Hart hart = StartStores(ram, seed);
        Random random = new(seed);
        byte[] copy = new byte[RamBytes];
        for (int swap = 0; swap < Swaps; swap++)
        {
            RunAndDma(ram, hart, random);
            DirtyPages dirty = ram.SwapDirty();
            Snapshot(ram, copy);
            using PageCapture capture = ram.BeginCapture(dirty);
            Task<string> taker = Task.Run(() => TakeAll(capture, dirty, copy));
            while (!taker.IsCompleted)
            {
                RunAndDma(ram, hart, random);
            }

            Assert.Equal("", await taker);
            Assert.Equal(0, capture.SavedPageCount);
        }
    }

    [Fact]
    public void Capture_of_everything_undoes_what_was_written_since()
    {
        using GuestRam ram = new(BareMetal.RamBase, RamBytes);
        using Hart hart = StartStores(ram, 7);
        Random random = new(7);
        RunAndDma(ram, hart, random);
        byte[] copy = new byte[RamBytes];
        Snapshot(ram, copy);
        using PageCapture capture = ram.BeginCaptureAll();
        RunAndDma(ram, hart, random);
        List<(int Page, byte[] Content)> saved = [];
        capture.EnumerateSaved((page, content) => saved.Add((page, content.ToArray())));
        Assert.Equal(capture.SavedPageCount, saved.Count);
        foreach ((int page, byte[] content) in saved)
        {
            ram.LoadPage(page, content);
        }

        byte[] undone = new byte[RamBytes];
        Snapshot(ram, undone);
        Assert.True(undone.AsSpan().SequenceEqual(copy));
    }

    /// <summary>The table of states is used again by the next capture, which finds there whatever this one
    /// left.</summary>
    [Fact]
    public void Captures_that_ended_anywhere_leave_nothing_to_the_next()
    {
        const int pages = 1024;
        using GuestRam ram = new(0, pages * GuestRam.PageSize);
        Random random = new(11);
        byte[] taken = new byte[GuestRam.PageSize];
        byte[] content = new byte[pages];
        // Marks come again after 63 rounds; most pages are not touched as often.
        for (int round = 0; round < 300; round++)
        {
            for (int mark = random.Next(16); mark > 0; mark--)
            {
                ram.MarkDirty(random.Next(pages));
            }

            DirtyPages dirty = ram.SwapDirty();
            List<int> set = [.. Enumerable.Range(0, pages).Where(dirty.Contains)];
            byte[] then = [.. content];
            using PageCapture capture = ram.BeginCapture(dirty);
            for (int step = random.Next(64); step > 0; step--)
            {
                int page = set.Count > 0 && random.Next(2) == 0 ? set[random.Next(set.Count)] : random.Next(pages);
                if (random.Next(2) == 0)
                {
                    content[page]++;
                    Assert.True(ram.TryWrite((ulong)page * GuestRam.PageSize, content.AsSpan(page, 1)));
                }
                else
                {
                    bool holds = set.Remove(page);
                    Assert.Equal(holds, capture.TryTake(page, taken));
                    Assert.True(!holds || taken[0] == then[page], $"round {round}, page {page}");
                }
            }
        }
    }

    [Fact]
    public void Page_is_taken_once()
    {
        using GuestRam ram = new(0, 16 * GuestRam.PageSize);
        ram.MarkDirty(3);
        byte[] page = new byte[GuestRam.PageSize];
        using PageCapture capture = ram.BeginCapture(ram.SwapDirty());
        Assert.True(capture.TryTake(3, page));
        Assert.False(capture.TryTake(3, page));
        Assert.False(capture.TryTake(4, page));
    }

    [Fact]
    public void Access_outside_ram_transfers_nothing()
    {
        using GuestRam ram = new(0x1000, 2 * GuestRam.PageSize);
        byte[] bytes = [1, 2, 3, 4];
        Assert.False(ram.TryWrite(0x2ffe, bytes));
        Assert.False(ram.TryRead(0xfff, bytes));
        Assert.False(ram.TryRead(ulong.MaxValue, bytes));
        Assert.True(ram.TryWrite(0x2ffc, bytes));
        Assert.Equal(1, ram.SwapDirty().Count);
    }

    private static string TakeAll(PageCapture capture, DirtyPages dirty, byte[] expected)
    {
        byte[] page = new byte[GuestRam.PageSize];
        int cursor = 0;
        while (dirty.NextSet(ref cursor, out int index))
        {
            if (!capture.TryTake(index, page))
            {
                return $"page {index} was not in the capture";
            }

            if (!page.AsSpan().SequenceEqual(expected.AsSpan(index * GuestRam.PageSize, GuestRam.PageSize)))
            {
                return $"page {index} is not as it was when the capture began";
            }
        }

        return "";
    }

    private static void RunAndDma(GuestRam ram, Hart hart, Random random)
    {
        Span<byte> sector = stackalloc byte[512];
        for (int i = 0; i < 4; i++)
        {
            Assert.Equal(HartStop.Budget, hart.Run(random.Next(1, 20_000)));
            random.NextBytes(sector);
            Assert.True(ram.TryWrite(BareMetal.RamBase + 0x10_0000 + (ulong)random.Next(0x60_0000), sector));
        }
    }

    private static void Snapshot(GuestRam ram, byte[] copy)
    {
        for (int page = 0; page < ram.PageCount; page++)
        {
            ram.ReadPage(page).CopyTo(copy.AsSpan(page * GuestRam.PageSize));
        }
    }

    /// <summary>x1 = x1 * multiplier + 1; store x1 at a random, mostly unaligned, address in the 4 MiB from 1 MiB on;
    /// for ever.</summary>
    private static Hart StartStores(GuestRam ram, int seed)
    {
        CodeWriter code = new();
        code.R(0x33, 0, 1, 1, 1, 2);
        code.Addi(1, 1, 1);
        code.I(0x13, 5, 3, 1, 42);
        code.I(0x13, 1, 3, 3, 3);
        code.I(0x13, 5, 3, 3, 3);
        code.R(0x33, 0, 0, 3, 3, 4);
        code.Sd(1, 3, 0);
        code.Word(CodeWriter.Jal(0, -28));
        Assert.True(ram.TryWrite(BareMetal.RamBase, code.ToArray()));
        Hart hart = new(0, ram, new EmptyBus(), new ZeroClock(), HartOptions.Default);
        hart.Reset(BareMetal.RamBase, PrivilegeMode.Machine);
        hart.SetX(1, (ulong)seed);
        hart.SetX(2, 6364136223846793005);
        hart.SetX(4, BareMetal.RamBase + 0x10_0000);
        return hart;
    }
}
