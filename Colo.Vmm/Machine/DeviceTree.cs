using Colo.Vmm.Devices.Aclint;
using Colo.Vmm.Devices.Plic;
using Colo.Vmm.Devices.Reset;
using Colo.Vmm.Devices.Rtc;
using Colo.Vmm.Devices.Uart;
using Colo.Vmm.Devices.Virtio;

namespace Colo.Vmm.Machine;

/// <summary>
/// The device tree of the board. Only what the machine is fast at is advertised, because kernels patch themselves for
/// every extension that they find.
/// </summary>
internal static class DeviceTree
{
    public static byte[] Build(MachineOptions options, ulong initrdStart, ulong initrdEnd, ReadOnlySpan<byte> randomSeed)
    {
        var fdt = new FdtWriter();
        fdt.BeginNode("");
        fdt.Cells("#address-cells", 2);
        fdt.Cells("#size-cells", 2);
        fdt.Property("compatible", "riscv-virtio");
        fdt.Property("model", "colo,riscv-virtio");
        AddChosen(fdt, options, initrdStart, initrdEnd, randomSeed);
        fdt.BeginNode($"memory@{MemoryMap.Ram:x}");
        fdt.Property("device_type", "memory");
        fdt.Region("reg", MemoryMap.Ram, options.MemoryBytes);
        fdt.EndNode();
        uint[] harts = AddHarts(fdt, options);
        uint test = fdt.NewHandle();
        AddSyscon(fdt, "poweroff", test, 0x5555);
        AddSyscon(fdt, "reboot", test, 0x7777);
        fdt.BeginNode("soc");
        fdt.Cells("#address-cells", 2);
        fdt.Cells("#size-cells", 2);
        fdt.Property("compatible", "simple-bus");
        fdt.Property("ranges");
        AddSoc(fdt, options, harts, test);
        fdt.EndNode();
        fdt.EndNode();
        return fdt.ToArray();
    }

    private static void AddChosen(FdtWriter fdt, MachineOptions options, ulong initrdStart, ulong initrdEnd, ReadOnlySpan<byte> seed)
    {
        fdt.BeginNode("chosen");
        fdt.Property("bootargs", options.CommandLine);
        fdt.Property("stdout-path", $"/soc/serial@{MemoryMap.Uart:x}");
        fdt.Property("rng-seed", seed);
        if (initrdEnd > initrdStart)
        {
            fdt.Wide("linux,initrd-start", initrdStart);
            fdt.Wide("linux,initrd-end", initrdEnd);
        }

        fdt.EndNode();
    }

    private static uint[] AddHarts(FdtWriter fdt, MachineOptions options)
    {
        var handles = new uint[options.HartCount];
        fdt.BeginNode("cpus");
        fdt.Cells("#address-cells", 1);
        fdt.Cells("#size-cells", 0);
        fdt.Cells("timebase-frequency", MemoryMap.TimebaseFrequency);
        string sstc = options.Hart.Sstc ? "_sstc" : "";
        for (uint hart = 0; hart < options.HartCount; hart++)
        {
            handles[hart] = fdt.NewHandle();
            fdt.BeginNode($"cpu@{hart:x}");
            fdt.Property("device_type", "cpu");
            fdt.Cells("reg", hart);
            fdt.Property("status", "okay");
            fdt.Property("compatible", "riscv");
            fdt.Property("riscv,isa", "rv64imafdc_zicntr_zicsr_zifencei" + sstc);
            fdt.Property("riscv,isa-base", "rv64i");
            string[] extensions = ["i", "m", "a", "f", "d", "c", "zicntr", "zicsr", "zifencei"];
            fdt.Property("riscv,isa-extensions", options.Hart.Sstc ? [.. extensions, "sstc"] : extensions);
            fdt.Property("mmu-type", "riscv,sv48");
            fdt.BeginNode("interrupt-controller");
            fdt.Cells("#interrupt-cells", 1);
            fdt.Property("interrupt-controller");
            fdt.Property("compatible", "riscv,cpu-intc");
            fdt.Cells("phandle", handles[hart]);
            fdt.EndNode();
            fdt.EndNode();
        }

        fdt.EndNode();
        return handles;
    }

    private static void AddSyscon(FdtWriter fdt, string name, uint test, uint value)
    {
        fdt.BeginNode(name);
        fdt.Property("compatible", $"syscon-{name}");
        fdt.Cells("regmap", test);
        fdt.Cells("offset", 0);
        fdt.Cells("value", value);
        fdt.EndNode();
    }

    private static void AddSoc(FdtWriter fdt, MachineOptions options, uint[] harts, uint test)
    {
        fdt.BeginNode($"test@{MemoryMap.Reset:x}");
        fdt.Property("compatible", "sifive,test1", "sifive,test0", "syscon");
        fdt.Region("reg", MemoryMap.Reset, ResetDevice.SizeBytes);
        fdt.Cells("phandle", test);
        fdt.EndNode();

        if (options.Firmware != FirmwareKind.BuiltIn)
        {
            // With the built-in SBI the timer belongs to the machine, and a kernel must not look for it.
            fdt.BeginNode($"clint@{MemoryMap.Aclint:x}");
            fdt.Property("compatible", "sifive,clint0", "riscv,clint0");
            fdt.Region("reg", MemoryMap.Aclint, AclintDevice.SizeBytes);
            fdt.Cells("interrupts-extended", [.. harts.SelectMany(h => new[] { h, 3u, h, 7u })]);
            fdt.EndNode();
        }

        uint plic = fdt.NewHandle();
        fdt.BeginNode($"plic@{MemoryMap.Plic:x}");
        fdt.Property("compatible", "sifive,plic-1.0.0", "riscv,plic0");
        fdt.Region("reg", MemoryMap.Plic, PlicDevice.SizeBytes);
        fdt.Cells("interrupts-extended", [.. harts.SelectMany(h => new[] { h, 11u, h, 9u })]);
        fdt.Cells("riscv,ndev", PlicDevice.SourceMax);
        fdt.Property("interrupt-controller");
        fdt.Cells("#interrupt-cells", 1);
        fdt.Cells("#address-cells", 0);
        fdt.Cells("phandle", plic);
        fdt.EndNode();

        AddDevice(fdt, $"serial@{MemoryMap.Uart:x}", MemoryMap.Uart, UartDevice.SizeBytes, plic, MemoryMap.UartInterrupt, "ns16550a");
        AddDevice(fdt, $"rtc@{MemoryMap.Rtc:x}", MemoryMap.Rtc, RtcDevice.SizeBytes, plic, MemoryMap.RtcInterrupt, "google,goldfish-rtc");
        for (int slot = 0; slot < MemoryMap.VirtioSlotCount; slot++)
        {
            ulong address = MemoryMap.Virtio + ((ulong)slot * MemoryMap.VirtioStride);
            AddDevice(
                fdt, $"virtio_mmio@{address:x}", address, VirtioMmioDevice.SizeBytes, plic,
                MemoryMap.VirtioInterruptBase + slot, "virtio,mmio");
        }
    }

    private static void AddDevice(
        FdtWriter fdt, string name, ulong address, ulong size, uint plic, int interrupt, string compatible)
    {
        fdt.BeginNode(name);
        fdt.Property("compatible", compatible);
        fdt.Region("reg", address, size);
        fdt.Cells("interrupt-parent", plic);
        fdt.Cells("interrupts", (uint)interrupt);
        if (compatible == "ns16550a")
        {
            fdt.Cells("clock-frequency", 3_686_400);
        }

        fdt.EndNode();
    }
}
