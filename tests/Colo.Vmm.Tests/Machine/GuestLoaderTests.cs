using System.Buffers.Binary;
using System.IO.Compression;
using Colo.Vmm.Machine;
using static Colo.Vmm.Tests.Machine.TestMachine;

namespace Colo.Vmm.Tests.Machine;

public sealed class GuestLoaderTests : IDisposable
{
    private const ulong RamBase = 0x8000_0000;
    private static readonly TimeSpan HangLimit = TimeSpan.FromSeconds(60);
    private readonly string _folder = Directory.CreateTempSubdirectory("colo-loader").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Write(string name, byte[] content)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, content);
        return path;
    }

    private static byte[] Image(uint imageSize)
    {
        var image = new byte[4096];
        BinaryPrimitives.WriteUInt32LittleEndian(image, LoopForEver);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(8), 0x20_0000);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(16), imageSize);
        "RISCV"u8.CopyTo(image.AsSpan(48));
        "RSC\u0005"u8.CopyTo(image.AsSpan(56));
        image[4095] = 0x77;
        return image;
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(3, 1)]
    [InlineData((999 << 1) | 1, 999)]
    public async Task Program_without_firmware_ends_with_its_htif_code(int stored, int code)
    {
        // lui x6, tohost; li x5, value; sw x5, 0(x6); sw x0, 4(x6); loop
        uint[] program = [Lui(6, 0x80001), 0x0203_1313, 0x0203_5313, Addi(5, 0, stored), 0x0053_2023, 0x0003_2223, LoopForEver];
        string kernel = Write("test.elf", ElfFile.Build(RamBase, program, 0x2000, "tohost", RamBase + 0x1000));
        using var machine = new VirtMachine(Options with { KernelPath = kernel, Firmware = FirmwareKind.None });
        machine.Start();
        MachineExit exit = await machine.Completion.WaitAsync(HangLimit);
        Assert.Equal(new MachineExit(MachineExitReason.ProgramExit, code), exit);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Image_is_loaded_and_the_initramfs_stays_beyond_its_bss(bool compressed)
    {
        byte[] image = Image(imageSize: 5 << 20);
        if (compressed)
        {
            using var packed = new MemoryStream();
            using (var gzip = new GZipStream(packed, CompressionLevel.Fastest))
            {
                gzip.Write(image);
            }

            image = packed.ToArray();
        }

        byte[] initrd = [.. Enumerable.Repeat((byte)0xab, 10_000)];
        using var machine = new VirtMachine(Options with { KernelPath = Write("Image", image), InitrdPath = Write("initrd", initrd) });
        Assert.Equal(RamBase + 0x20_0000, machine.Board.Guest.Entry);
        Assert.Equal(0x77, Byte(machine, RamBase + 0x20_0000 + 4095));
        // 2 MiB + 5 MiB, rounded up to 2 MiB.
        ulong initrdAt = RamBase + (8 << 20);
        Assert.Equal(0xab, Byte(machine, initrdAt));
        Assert.Equal(0xab, Byte(machine, initrdAt + 9_999));
        Assert.True(machine.Board.Guest.DeviceTreeAddress >= initrdAt + 10_000);
        Assert.Equal(machine.Board.Guest.DeviceTreeAddress, machine.Board.Harts[0].Hart.GetX(11));
        Assert.True(machine.Ram.TryReadUInt32(machine.Board.Guest.DeviceTreeAddress, out uint magic));
        Assert.Equal(0xedfe0dd0, magic);
    }

    [Fact]
    public void Files_that_cannot_be_used_are_named_with_what_was_expected()
    {
        string text = Write("notes.txt", new byte[500]);
        Assert.Contains(text, Assert.Throws<LoadException>(() => new VirtMachine(Options with { KernelPath = text })).Message);
        Assert.Contains("/nowhere", Assert.Throws<LoadException>(() => new VirtMachine(Options with { KernelPath = "/nowhere" })).Message);
        string big = Write("big", new byte[20 << 20]);
        string image = Write("Image", Image(4096));
        var error = Assert.Throws<LoadException>(() => new VirtMachine(Options with { KernelPath = image, InitrdPath = big }));
        Assert.Contains("16 MiB", error.Message);
        var noFirmware = Options with { KernelPath = image, Firmware = FirmwareKind.None };
        Assert.Contains("ELF", Assert.Throws<LoadException>(() => new VirtMachine(noFirmware)).Message);
    }

    [Fact]
    public void Damaged_executables_are_errors_never_other_exceptions()
    {
        const int seed = 8;
        var random = new Random(seed);
        byte[] good = ElfFile.Build(RamBase, [LoopForEver], 0x2000, "tohost", RamBase + 0x1000);
        for (int round = 0; round < 3000; round++)
        {
            byte[] bad = [.. good];
            for (int change = random.Next(1, 6); change > 0; change--)
            {
                bad[random.Next(bad.Length)] = (byte)random.Next(256);
            }

            using var ram = new Colo.Vmm.Memory.GuestRam(RamBase, 2 << 20);
            try
            {
                ElfImage elf = ElfImage.Parse(bad, "bad.elf");
                elf.Load(ram);
                _ = elf.FindSymbol("tohost");
            }
            catch (LoadException)
            {
                // Refused with a message: that is the point.
            }
        }
    }

    private static byte Byte(VirtMachine machine, ulong address)
    {
        Span<byte> value = stackalloc byte[1];
        Assert.True(machine.Ram.TryRead(address, value));
        return value[0];
    }
}
