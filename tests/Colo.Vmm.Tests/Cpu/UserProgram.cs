using System.Buffers.Binary;
using System.Diagnostics;
using Colo.Vmm.Cpu;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Tests.Cpu;

/// <summary>
/// A Linux user program without libraries, as one read-write-execute segment at 64 KiB: runs in Debian's
/// <c>qemu-riscv64</c> and on a hart with the two system calls that it uses (write to 1, exit).
/// </summary>
internal sealed class UserProgram(byte[] image)
{
    public const uint Base = 0x10000;
    private const int HeaderBytes = 0x1000;

    /// <summary>Address of the first byte of the image; the ELF header's page comes before it.</summary>
    public const uint ImageBase = Base + HeaderBytes;

    /// <summary>What the program writes under qemu-riscv64.</summary>
    public byte[] RunInQemu()
    {
        string path = Path.Combine(Path.GetTempPath(), $"colo-{Guid.NewGuid():N}.elf");
        try
        {
            File.WriteAllBytes(path, BuildElf());
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }

            ProcessStartInfo start = new("qemu-riscv64", [path]) { RedirectStandardOutput = true };
            using Process process = StartOrExplain(start);
            using MemoryStream output = new();
            process.StandardOutput.BaseStream.CopyTo(output);
            process.WaitForExit();
            Assert.True(process.ExitCode == 0, $"qemu-riscv64 ended with {process.ExitCode} after {output.Length} bytes");
            return output.ToArray();
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>What the program writes on our hart, in S-mode without translation.</summary>
    public byte[] RunOnHart(HartOptions options)
    {
        ulong size = ((ulong)image.Length + HeaderBytes + 0xffff) & ~0xffffUL;
        using GuestRam ram = new(Base, size);
        Assert.True(ram.TryWrite(ImageBase, image));
        LinuxCalls calls = new(ram);
        using Hart hart = new(0, ram, new EmptyBus(), new ZeroClock(), options) { Sbi = calls };
        hart.Reset(ImageBase, PrivilegeMode.Supervisor);
        hart.WriteCsr(0x300, 0x6000);
        HartStop stop = hart.Run(2_000_000_000);
        Assert.True(
            stop == HartStop.Halted,
            $"program stopped with {stop} at pc 0x{hart.Pc:x}, scause {hart.ReadCsr(0x142)}, sepc 0x{hart.ReadCsr(0x141):x}");
        return calls.Output.ToArray();
    }

    private static Process StartOrExplain(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            throw new InvalidOperationException("qemu-riscv64 not found: install Debian's package qemu-user");
        }
    }

    private byte[] BuildElf()
    {
        byte[] file = new byte[HeaderBytes + image.Length];
        Span<byte> header = file;
        "\u007fELF"u8.CopyTo(header);
        header[4] = 2;
        header[5] = 1;
        header[6] = 1;
        BinaryPrimitives.WriteUInt16LittleEndian(header[16..], 2);
        BinaryPrimitives.WriteUInt16LittleEndian(header[18..], 243);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], 1);
        BinaryPrimitives.WriteUInt64LittleEndian(header[24..], ImageBase);
        BinaryPrimitives.WriteUInt64LittleEndian(header[32..], 64);
        // e_flags: RVC and the double-float ABI, so that QEMU turns on the FPU.
        BinaryPrimitives.WriteUInt32LittleEndian(header[48..], 5);
        BinaryPrimitives.WriteUInt16LittleEndian(header[52..], 64);
        BinaryPrimitives.WriteUInt16LittleEndian(header[54..], 56);
        BinaryPrimitives.WriteUInt16LittleEndian(header[56..], 1);
        Span<byte> segment = header[64..];
        BinaryPrimitives.WriteUInt32LittleEndian(segment, 1);
        BinaryPrimitives.WriteUInt32LittleEndian(segment[4..], 7);
        BinaryPrimitives.WriteUInt64LittleEndian(segment[16..], Base);
        BinaryPrimitives.WriteUInt64LittleEndian(segment[24..], Base);
        BinaryPrimitives.WriteUInt64LittleEndian(segment[32..], (ulong)file.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(segment[40..], (ulong)file.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(segment[48..], 0x1000);
        image.CopyTo(header[HeaderBytes..]);
        return file;
    }

    private sealed class LinuxCalls(GuestRam ram) : ISbiHandler
    {
        public List<byte> Output { get; } = [];

        public void HandleCall(Hart hart)
        {
            if (hart.GetX(17) == 64)
            {
                Assert.True(ram.TryGetReadSpan(hart.GetX(11), (int)hart.GetX(12), out ReadOnlySpan<byte> text));
                Output.AddRange(text);
                hart.SetX(10, hart.GetX(12));
            }
            else
            {
                hart.Halt();
            }
        }
    }
}
