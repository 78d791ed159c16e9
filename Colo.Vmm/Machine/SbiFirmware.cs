using Colo.Vmm.Cpu;
using Colo.Vmm.Devices.Reset;

namespace Colo.Vmm.Machine;

/// <summary>
/// The supervisor binary interface as part of the machine: base, TIME, IPI, RFENCE, HSM, SRST and DBCN of SBI 2.0;
/// anything else is probed as absent and answered with "not supported". Called on the thread of the calling hart; other
/// harts may be running on theirs.
/// </summary>
internal sealed class SbiFirmware(Board board) : ISbiHandler
{
    private const ulong ExtensionBase = 0x10;
    private const ulong ExtensionTime = 0x5449_4d45;
    private const ulong ExtensionIpi = 0x73_5049;
    private const ulong ExtensionFence = 0x5246_4e43;
    private const ulong ExtensionHarts = 0x48_534d;
    private const ulong ExtensionReset = 0x5352_5354;
    private const ulong ExtensionConsole = 0x4442_434e;
    private const ulong SpecificationVersion = 2 << 24;

    /// <summary>Not among the registered implementations; the registry is first come, first served.</summary>
    private const ulong ImplementationId = 0xc010;
    private const int SupervisorSoftware = 1;
    private const int SupervisorTimer = 5;
    private const int CsrStimecmp = 0x14d;
    private const int ConsoleMax = 4096;

    private readonly byte[] _consoleBuffer = new byte[ConsoleMax];

    public void HandleCall(Hart hart)
    {
        ulong extension = hart.GetX(17);
        ulong function = hart.GetX(16);
        SbiResult result = extension switch
        {
            ExtensionBase => Base(hart, function),
            ExtensionTime when function == 0 => SetTimer(hart),
            ExtensionIpi when function == 0 => SendInterrupt(hart),
            ExtensionFence => Fence(hart, function),
            _ => CallBoard(hart, extension, function),
        };
        hart.SetX(10, (ulong)result.Error);
        hart.SetX(11, result.Value);
    }

    private SbiResult CallBoard(Hart hart, ulong extension, ulong function)
    {
        lock (board.DeviceLock)
        {
            return extension switch
            {
                ExtensionHarts => HartState(hart, function),
                ExtensionReset when function == 0 => SystemReset(hart),
                ExtensionConsole => DebugConsole(hart, function),
                _ => SbiResult.NotSupported,
            };
        }
    }

    private static SbiResult Base(Hart hart, ulong function) => function switch
    {
        0 => SbiResult.Success(SpecificationVersion),
        1 => SbiResult.Success(ImplementationId),
        2 => SbiResult.Success(1),
        3 => SbiResult.Success(IsKnown(hart.GetX(10)) ? 1u : 0u),
        // mvendorid, marchid, mimpid: zero is "not a registered implementation".
        4 or 5 or 6 => SbiResult.Success(0),
        _ => SbiResult.NotSupported,
    };

    private static bool IsKnown(ulong extension) => extension is ExtensionBase or ExtensionTime or ExtensionIpi
        or ExtensionFence or ExtensionHarts or ExtensionReset or ExtensionConsole;

    private SbiResult SetTimer(Hart hart)
    {
        if (board.Options.Hart.Sstc)
        {
            hart.WriteCsr(CsrStimecmp, hart.GetX(10));
            return SbiResult.Success(0);
        }

        HartSlot slot = board.Harts[hart.HartId];
        slot.SbiTimer = hart.GetX(10);
        slot.SetInterrupt(SupervisorTimer, board.Clock.ReadTime() >= slot.SbiTimer);
        if (board.Clock.Mode == ClockMode.InstructionCount)
        {
            // The next run ends at the new deadline.
            hart.RequestStop();
        }

        return SbiResult.Success(0);
    }

    private SbiResult SendInterrupt(Hart hart)
    {
        if (!TrySelect(hart, out ulong mask))
        {
            return SbiResult.InvalidParameter;
        }

        for (int i = 0; i < board.Harts.Length; i++)
        {
            if ((mask & (1ul << i)) != 0)
            {
                board.Harts[i].SetInterrupt(SupervisorSoftware, true);
            }
        }

        return SbiResult.Success(0);
    }

    private SbiResult Fence(Hart hart, ulong function)
    {
        if (function > 2)
        {
            return SbiResult.NotSupported;
        }

        if (!TrySelect(hart, out ulong mask))
        {
            return SbiResult.InvalidParameter;
        }

        HartFence kind = function == 0 ? HartFence.Code : HartFence.Translations;
        Span<int> tickets = stackalloc int[board.Harts.Length];
        for (int i = 0; i < board.Harts.Length; i++)
        {
            if ((mask & (1ul << i)) != 0)
            {
                tickets[i] = board.Harts[i].Hart.RequestFence(kind);
            }
        }

        // The call returns when all have done it. Two harts may do this to each other, so the own requests are served
        // meanwhile; the device lock is not held, or a hart that waits for it could not answer.
        for (int i = 0; i < board.Harts.Length; i++)
        {
            if ((mask & (1ul << i)) != 0 && i != hart.HartId)
            {
                board.Harts[i].Hart.AwaitFence(tickets[i], hart);
            }
        }

        hart.ServeFences();
        return SbiResult.Success(0);
    }

    private SbiResult HartState(Hart hart, ulong function)
    {
        switch (function)
        {
            case 0:
                return StartHart(hart);
            case 1:
                board.Harts[hart.HartId].Status = HartStatus.StopPending;
                hart.Halt();
                return SbiResult.Success(0);
            case 2:
                ulong target = hart.GetX(10);
                return target < (ulong)board.Harts.Length
                    ? SbiResult.Success((ulong)board.Harts[target].Status)
                    : SbiResult.InvalidParameter;
            case 3 when (uint)hart.GetX(10) == 0:
                // Retentive suspend is WFI with another name.
                board.Harts[hart.HartId].Status = HartStatus.Suspended;
                board.Harts[hart.HartId].Waiting = true;
                hart.RequestStop();
                return SbiResult.Success(0);
            default:
                return SbiResult.NotSupported;
        }
    }

    private SbiResult StartHart(Hart hart)
    {
        ulong target = hart.GetX(10);
        if (target >= (ulong)board.Harts.Length)
        {
            return SbiResult.InvalidParameter;
        }

        HartSlot slot = board.Harts[target];
        if (slot.Status != HartStatus.Stopped)
        {
            return SbiResult.AlreadyAvailable;
        }

        ulong address = hart.GetX(11);
        if (address < board.Ram.BaseAddress || address - board.Ram.BaseAddress >= board.Ram.SizeBytes)
        {
            return SbiResult.InvalidAddress;
        }

        slot.Hart.Reset(address, PrivilegeMode.Supervisor);
        slot.Hart.SetX(10, target);
        slot.Hart.SetX(11, hart.GetX(12));
        slot.Waiting = false;
        slot.SbiTimer = ulong.MaxValue;
        // From here on the hart's own thread may run it.
        slot.Status = HartStatus.Started;
        slot.Runner?.WakeIfSleeping();
        return SbiResult.Success(0);
    }

    private SbiResult SystemReset(Hart hart)
    {
        ulong kind = hart.GetX(10);
        const ulong ReasonFailure = 1;
        switch (kind)
        {
            case 0:
                board.RequestReset(new ResetRequest(ResetKind.PowerOff, hart.GetX(11) == ReasonFailure ? 1 : 0));
                return SbiResult.Success(0);
            case 1 or 2:
                board.RequestReset(new ResetRequest(ResetKind.Reboot, 0));
                return SbiResult.Success(0);
            default:
                return SbiResult.InvalidParameter;
        }
    }

    private SbiResult ReadConsole(Hart hart)
    {
        // Looked at before anything is taken: what cannot be stored stays typed.
        Span<byte> text = _consoleBuffer.AsSpan(0, (int)Math.Min(hart.GetX(10), ConsoleMax));
        if (hart.GetX(12) != 0 || !board.Ram.TryRead(hart.GetX(11), text))
        {
            return SbiResult.InvalidParameter;
        }

        int count = board.Uart.ReadDirect(text);
        board.Ram.TryWrite(hart.GetX(11), text[..count]);
        return SbiResult.Success((ulong)count);
    }

    private SbiResult DebugConsole(Hart hart, ulong function)
    {
        switch (function)
        {
            case 0:
                int length = (int)Math.Min(hart.GetX(10), ConsoleMax);
                Span<byte> text = _consoleBuffer.AsSpan(0, length);
                if (hart.GetX(12) != 0 || !board.Ram.TryRead(hart.GetX(11), text))
                {
                    return SbiResult.InvalidParameter;
                }

                board.Uart.WriteDirect(text);
                return SbiResult.Success((ulong)length);
            case 1:
                return ReadConsole(hart);
            case 2:
                board.Uart.WriteDirect([(byte)hart.GetX(10)]);
                return SbiResult.Success(0);
            default:
                return SbiResult.NotSupported;
        }
    }

    /// <summary>The harts that a call with (hart_mask, hart_mask_base) in a0 and a1 means; false when one does not
    /// exist.</summary>
    private bool TrySelect(Hart hart, out ulong mask)
    {
        ulong all = (1ul << board.Harts.Length) - 1;
        ulong first = hart.GetX(11);
        if (first == ulong.MaxValue)
        {
            mask = all;
            return true;
        }

        ulong selected = hart.GetX(10);
        mask = first < 64 ? selected << (int)first : 0;
        return first < (ulong)board.Harts.Length ? (mask & ~all) == 0 && mask >> (int)first == selected : selected == 0;
    }
}
