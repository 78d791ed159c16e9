using System.Buffers;
using System.Buffers.Binary;
using Colo.Vmm.Block;
using Colo.Vmm.Checksums;
using Colo.Vmm.Cpu;
using Colo.Vmm.Machine;
using Colo.Vmm.Tests.Devices;

namespace Colo.Vmm.Tests.Machine;

/// <summary>Machines without files: programs are written into RAM word by word and start at its beginning, in
/// S-mode.</summary>
internal static class TestMachine
{
    public const uint Wfi = 0x1050_0073;
    public const uint Ecall = 0x0000_0073;

    /// <summary>jal x0, 0: stays where it is.</summary>
    public const uint LoopForEver = 0x0000_006f;

    public static MachineOptions Options => new()
    {
        MemoryBytes = 16 << 20,
        Disks = [new DiskOptions(new MemoryDevice(1 << 20), "disk0")],
        Nics = [new NicOptions(new RecordingBackend(), [0x52, 0x54, 0, 0, 0, 1])],
        Console = new RecordingConsole(),
        Seed = 1,
        Hart = new HartOptions { Tier = CodeTierMode.Interpreter },
    };

    public static VirtMachine New(MachineOptions options, params ReadOnlySpan<uint> program)
    {
        var machine = new VirtMachine(options);
        ulong address = machine.Ram.BaseAddress;
        foreach (uint word in program)
        {
            machine.Ram.TryWriteUInt32(address, word);
            address += 4;
        }

        return machine;
    }

    public static byte[] Save(VirtMachine machine)
    {
        var writer = new ArrayBufferWriter<byte>();
        machine.SaveDevices(writer);
        return writer.WrittenSpan.ToArray();
    }

    /// <summary>Makes the checksum right again after a change.</summary>
    public static byte[] Seal(byte[] state)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(state.AsSpan(state.Length - 4), Crc32C.Compute(state.AsSpan(0, state.Length - 4)));
        return state;
    }

    /// <summary>addi rd, rs1, imm</summary>
    public static uint Addi(int rd, int rs1, int imm) => ((uint)imm << 20) | ((uint)rs1 << 15) | ((uint)rd << 7) | 0x13;

    /// <summary>lui rd, imm (upper 20 bits)</summary>
    public static uint Lui(int rd, uint upper) => (upper << 12) | ((uint)rd << 7) | 0x37;

    /// <summary>jal x0, offset</summary>
    public static uint Jump(int offset)
    {
        uint o = (uint)offset;
        return ((o >> 20 & 1) << 31) | ((o >> 1 & 0x3ff) << 21) | ((o >> 11 & 1) << 20) | ((o >> 12 & 0xff) << 12) | 0x6f;
    }
}
