using System.Text;
using Colo.Vmm.Devices.VirtioConsole;
using Colo.Vmm.Devices.VirtioRng;
using static Colo.Vmm.Tests.Devices.RingSegment;

namespace Colo.Vmm.Tests.Devices;

/// <summary>Entropy and console: what the guest gets and gives through their rings.</summary>
public sealed class SmallVirtioTests
{
    [Fact]
    public void Entropy_fills_all_of_each_buffer_with_new_bytes()
    {
        using var driver = new MockDriver(new RngDevice(new SeededEntropy(7))).Start();
        ulong first = driver.Allocate(5000);
        ulong second = driver.Allocate(5000);
        ulong other = driver.Allocate(48);
        driver.Add(0, In(first, 5000));
        driver.Add(0, In(second, 4990), In(other, 10));
        driver.Kick(0);
        Assert.Equal((0u, 5000u), driver.TakeUsed(0));
        Assert.Equal((1u, 5000u), driver.TakeUsed(0));
        Assert.True(driver.Line.Level);
        var expected = new byte[10_000];
        new SeededEntropy(7).Fill(expected.AsSpan(0, 4096));
        Assert.Equal(expected[..4096], driver.Fetch(first, 4096));
        byte[][] pieces = [driver.Fetch(first, 5000), driver.Fetch(second, 4990), driver.Fetch(other, 10)];
        // A piece that was not filled would be zeroes.
        Assert.All(pieces.SelectMany(p => p.Chunk(10)), chunk => Assert.Contains(chunk, b => b != 0));
        Assert.NotEqual(pieces[0][..4990], pieces[1]);
        Assert.Equal(new byte[16], driver.Fetch(other + 16, 16));
    }

    [Fact]
    public void Console_sends_what_the_guest_writes_and_gives_what_is_typed_as_room_comes()
    {
        using var console = new RecordingConsole();
        using var driver = new MockDriver(new ConsoleDevice(console)).Start();
        string line = new('x', 3000);
        driver.Add(1, Out(driver.Place("hello "u8), 6), Out(driver.Place(Encoding.ASCII.GetBytes(line)), 3000));
        driver.Kick(1);
        Assert.Equal("hello " + line, console.Output);
        Assert.Equal((0u, 0u), driver.TakeUsed(1));
        console.Type("typed");
        driver.Device.Service();
        Assert.Null(driver.TakeUsed(0));
        ulong first = driver.Allocate(3);
        ulong second = driver.Allocate(16);
        driver.Add(0, In(first, 3));
        driver.Kick(0);
        Assert.Equal((0u, 3u), driver.TakeUsed(0));
        driver.Add(0, In(second, 16));
        driver.Kick(0);
        Assert.Equal((1u, 2u), driver.TakeUsed(0));
        Assert.Equal("typ"u8, driver.Fetch(first, 3));
        Assert.Equal("ed"u8, driver.Fetch(second, 2));
    }
}
