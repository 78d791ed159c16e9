using Colo.Vmm.Block;
using Colo.Vmm.Devices.Virtio;
using Colo.Vmm.Devices.VirtioBlock;
using Colo.Vmm.Devices.VirtioConsole;
using Colo.Vmm.Devices.VirtioInput;
using Colo.Vmm.Devices.VirtioNet;
using Colo.Vmm.Devices.VirtioRng;

namespace Colo.Vmm.Tests.Devices;

/// <summary>
/// A million hostile descriptors for each of five devices: whatever the rings say, nothing is thrown, and after
/// a reset the device works.
/// </summary>
public class HostileRingTests
{
    private const int DescriptorsPerDevice = 1_000_000;
    private const int Batch = 64;

    [Theory]
    [InlineData("net")]
    [InlineData("block")]
    [InlineData("rng")]
    [InlineData("console")]
    [InlineData("input")]
    public void Rings_full_of_noise_never_throw(string kind)
    {
        int seed = kind.Sum(letter => letter);
        var random = new Random(seed);
        using var backend = new RecordingBackend();
        using var console = new RecordingConsole();
        using var disk = new MemoryDevice(1 << 20);
        IVirtioFunction function = kind switch
        {
            "net" => new NetDevice(backend, [2, 0, 0, 0, 0, 1], 1500, offerChecksum: true),
            "block" => new BlockDevice(disk, "fuzz"),
            "input" => new InputDevice(),
            "rng" => new RngDevice(new SeededEntropy(1)),
            _ => new ConsoleDevice(console),
        };
        using var driver = new MockDriver(function);
        try
        {
            for (int done = 0; done < DescriptorsPerDevice; done += Batch)
            {
                driver.Start(random.Next(3) == 0 ? 0 : ulong.MaxValue);
                Scramble(driver, random, function.QueueCount);
                backend.Deliver(new byte[random.Next(1, 3000)]);
                console.Type("typed");
                (function as InputDevice)?.Press();
                for (int queue = 0; queue < function.QueueCount; queue++)
                {
                    driver.Kick(queue);
                    driver.Device.Service();
                }
            }
        }
        catch (Exception e)
        {
            Assert.Fail($"seed {seed}: {e}");
        }

        driver.Start();
        Assert.False(driver.NeedsReset);
    }

    private static void Scramble(MockDriver driver, Random random, int queues)
    {
        Span<byte> noise = stackalloc byte[512];
        for (int queue = 0; queue < queues; queue++)
        {
            for (ushort i = 0; i < Batch / queues; i++)
            {
                driver.WriteDescriptor(
                    driver.DescriptorTable(queue), i, Address(random), Length(random), random.Next(4) == 0 ? random.Next(16) : random.Next(4),
                    (ushort)random.Next(random.Next(8) == 0 ? 65536 : driver.QueueSize));
                driver.MakeAvailable(queue, (ushort)random.Next(random.Next(16) == 0 ? 65536 : driver.QueueSize));
            }

            if (random.Next(8) == 0)
            {
                driver.Ram.TryWriteUInt16(driver.AvailableRing(queue) + 2, (ushort)random.Next(65536));
            }
        }

        random.NextBytes(noise);
        driver.Ram.TryWrite(MockDriver.DataBase + (ulong)random.Next(4096), noise);
        if (random.Next(2) == 0)
        {
            // Now and then something that looks like a block request, so that parsing goes deeper.
            driver.Ram.TryWriteUInt32(MockDriver.DataBase, (uint)random.Next(16));
            driver.Ram.TryWriteUInt64(MockDriver.DataBase + 8, (ulong)random.Next(4096));
        }
    }

    private static ulong Address(Random random) => random.Next(8) switch
    {
        0 => (ulong)random.NextInt64(),
        1 => ulong.MaxValue - (ulong)random.Next(64),
        2 => MockDriver.RamBase + (4 << 20) - (ulong)random.Next(64),
        3 => MockDriver.RamBase + (ulong)random.Next(0x10000),
        4 => MockDriver.DataBase,
        _ => MockDriver.DataBase + (ulong)random.Next(1 << 20),
    };

    private static uint Length(Random random) => random.Next(6) switch
    {
        0 => (uint)random.NextInt64(1L << 32),
        1 => 0,
        2 => 16,
        3 => 512,
        _ => (uint)random.Next(1, 4096),
    };
}
