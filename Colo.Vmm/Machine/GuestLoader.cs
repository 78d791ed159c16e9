using System.Buffers.Binary;
using System.IO.Compression;
using Colo.Vmm.Devices.VirtioRng;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Machine;

/// <summary>
/// Puts firmware, kernel, initramfs and device tree into RAM. Files are copied in pieces and not kept: after a guest's
/// reboot they are read again. Errors are <see cref="LoadException"/>s for the person who named the file.
/// </summary>
internal sealed class GuestLoader(MachineOptions options, GuestRam ram)
{
    private const ulong LargePage = 2 << 20;

    /// <summary>Where fw_jump of OpenSBI moves the device tree; the initramfs stays clear of it.</summary>
    private const ulong FirmwareInitrdOffset = 64 << 20;
    private const int ImageHeaderSize = 64;

    public LoadedGuest Load()
    {
        if (options.KernelPath is null)
        {
            return new LoadedGuest { Entry = ram.BaseAddress, KernelEntry = ram.BaseAddress };
        }

        LoadedGuest guest = LoadKernel(options.KernelPath, out ulong kernelEnd);
        if (options.Firmware == FirmwareKind.None)
        {
            return guest with { DeviceTreeAddress = PlaceDeviceTree(AlignUp(kernelEnd, LargePage), 0, 0) };
        }

        ulong initrdStart = AlignUp(kernelEnd, LargePage);
        if (options.Firmware == FirmwareKind.File)
        {
            initrdStart = Math.Max(initrdStart, ram.BaseAddress + FirmwareInitrdOffset);
        }

        ulong initrdEnd = options.InitrdPath is null ? initrdStart : LoadRaw(options.InitrdPath, initrdStart);
        ulong deviceTree = PlaceDeviceTree(AlignUp(initrdEnd, LargePage), initrdStart, initrdEnd);
        guest = guest with { DeviceTreeAddress = deviceTree };
        return options.Firmware == FirmwareKind.File ? LoadFirmware(guest, deviceTree) : guest;
    }

    private LoadedGuest LoadKernel(string path, out ulong end)
    {
        using Stream file = Open(path);
        using Stream content = IsGzip(file) ? new GZipStream(file, CompressionMode.Decompress) : file;
        var start = new byte[ImageHeaderSize];
        int got = content.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        if (ElfImage.IsElf(start))
        {
            return LoadElf(start.AsSpan(0, got), content, path, out end);
        }

        if (options.Firmware == FirmwareKind.None)
        {
            throw new LoadException($"{path}: expected an ELF program, because there is no firmware to start a kernel");
        }

        if (got < ImageHeaderSize || !start.AsSpan(56, 4).SequenceEqual("RSC\u0005"u8))
        {
            throw new LoadException($"{path}: expected a RISC-V Linux Image, a gzip of one, or a RISC-V ELF file");
        }

        ulong entry = ram.BaseAddress + MemoryMap.KernelOffset;
        ulong imageSize = BinaryPrimitives.ReadUInt64LittleEndian(start.AsSpan(16));
        ulong fileEnd = Copy(start, content, entry, path);
        end = Math.Max(fileEnd, entry + imageSize);
        return new LoadedGuest { Entry = entry, KernelEntry = entry };
    }

    private LoadedGuest LoadElf(ReadOnlySpan<byte> start, Stream rest, string path, out ulong end)
    {
        using var whole = new MemoryStream();
        whole.Write(start);
        rest.CopyTo(whole);
        ElfImage elf = ElfImage.Parse(whole.ToArray(), path);
        elf.Load(ram);
        end = elf.End;
        return new LoadedGuest
        {
            Entry = elf.Entry,
            KernelEntry = elf.Entry,
            HtifToHost = elf.FindSymbol("tohost"),
            HtifFromHost = elf.FindSymbol("fromhost"),
        };
    }

    private LoadedGuest LoadFirmware(LoadedGuest guest, ulong deviceTree)
    {
        string path = options.FirmwarePath!;
        using Stream file = Open(path);
        var start = new byte[4];
        int got = file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        ulong entry = ram.BaseAddress;
        if (ElfImage.IsElf(start))
        {
            entry = LoadElf(start.AsSpan(0, got), file, path, out _).Entry;
        }
        else
        {
            Copy(start.AsSpan(0, got), file, entry, path);
        }

        // OpenSBI, include/sbi/fw_dynamic.h: magic, version, next address, next mode (1 = S), options, boot hart.
        ulong info = AlignUp(deviceTree + (1 << 20), LargePage);
        Span<byte> dynamic = stackalloc byte[48];
        ReadOnlySpan<ulong> words = [0x4942534f, 2, guest.KernelEntry, 1, 0, 0];
        for (int i = 0; i < words.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(dynamic[(i * 8)..], words[i]);
        }

        Require(ram.TryWrite(info, dynamic), path, info);
        return guest with { Entry = entry, DynamicInfoAddress = info };
    }

    private ulong PlaceDeviceTree(ulong address, ulong initrdStart, ulong initrdEnd)
    {
        byte[] blob;
        if (options.DeviceTreePath is { } path)
        {
            using Stream file = Open(path);
            using var whole = new MemoryStream();
            file.CopyTo(whole);
            blob = whole.ToArray();
            if (blob.Length < 40 || BinaryPrimitives.ReadUInt32BigEndian(blob) != 0xd00dfeed)
            {
                throw new LoadException($"{path}: expected a flattened device tree (magic d00dfeed)");
            }
        }
        else
        {
            Span<byte> seed = stackalloc byte[32];
            if (options.Seed is { } value)
            {
                new SeededEntropy(value ^ 0x6474_6273_6565_64).Fill(seed);
            }
            else
            {
                HostEntropy.FillFromHost(seed);
            }

            blob = DeviceTree.Build(options, initrdStart, initrdEnd, seed);
        }

        // Programs that bring their own memory layout may leave no room behind them; they do not look for a tree then.
        if (!ram.TryWrite(address, blob))
        {
            address = (ram.BaseAddress + ram.SizeBytes - (ulong)blob.Length) & ~0xffful;
            Require(ram.TryWrite(address, blob), "device tree", address);
        }

        return address;
    }

    private ulong LoadRaw(string path, ulong address)
    {
        using Stream file = Open(path);
        return Copy([], file, address, path);
    }

    private ulong Copy(ReadOnlySpan<byte> start, Stream rest, ulong address, string path)
    {
        Require(ram.TryWrite(address, start), path, address);
        address += (ulong)start.Length;
        var piece = new byte[65536];
        try
        {
            int got;
            while ((got = rest.Read(piece)) > 0)
            {
                Require(ram.TryWrite(address, piece.AsSpan(0, got)), path, address);
                address += (ulong)got;
            }
        }
        catch (InvalidDataException e)
        {
            throw new LoadException($"{path}: damaged gzip data: {e.Message}", e);
        }

        return address;
    }

    private void Require(bool written, string what, ulong address)
    {
        if (!written)
        {
            throw new LoadException(
                $"{what}: does not fit into {ram.SizeBytes >> 20} MiB of memory (needs address 0x{address:x}, RAM ends at "
                + $"0x{ram.BaseAddress + ram.SizeBytes:x}); give the machine more memory");
        }
    }

    private static bool IsGzip(Stream file)
    {
        bool gzip = file.ReadByte() == 0x1f && file.ReadByte() == 0x8b;
        file.Position = 0;
        return gzip;
    }

    private static Stream Open(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new LoadException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    private static ulong AlignUp(ulong value, ulong alignment) => (value + alignment - 1) & ~(alignment - 1);
}
