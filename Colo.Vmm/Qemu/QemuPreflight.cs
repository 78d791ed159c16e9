using System.Globalization;

namespace Colo.Vmm.Qemu;

/// <summary>Something that QEMU would refuse, or do wrong.</summary>
/// <param name="Key">The key of the definition, below the VM's own.</param>
public sealed record QemuProblem(string Key, string Problem)
{
    public override string ToString() => $"{Key} {Problem}";
}

/// <summary>Finds out what QEMU would refuse before anything is started. Runs QEMU's programs, so it takes some tenths
/// of a second.</summary>
public static class QemuPreflight
{
    /// <summary>Everything that is wrong with the definition on this host now.</summary>
    /// <param name="guest">The definition.</param>
    /// <param name="folder">Where this guest's files are. While a QEMU of its own runs there, it is not tried whether
    /// another could be started: what the operator's arguments take, such as a port, is taken by that one.</param>
    /// <param name="kvm">KVM's device.</param>
    public static IReadOnlyList<QemuProblem> Check(QemuDefinition guest, QemuFolder folder, string kvm = "/dev/kvm")
    {
        List<QemuProblem> problems = [];
        if (folder.Path.Length > QemuFolder.PathLengthMax)
        {
            problems.Add(new QemuProblem(
                "node.state-directory", $"makes the path '{folder.Path}', which is too long for sockets in it; at most {QemuFolder.PathLengthMax} characters"));
        }

        try
        {
            QemuVersion version = QemuTool.VersionOf(guest.Binary);
            CheckProgram(guest, new QemuCapabilities(version), problems);
        }
        catch (IOException problem)
        {
            problems.Add(new QemuProblem("qemu.binary", $"is '{guest.Binary}': {problem.Message}"));
        }

        CheckKvm(guest, kvm, problems);
        CheckDisks(guest, problems);
        if (problems.Count == 0 && !QemuProcess.IsRunning(folder))
        {
            CheckWhole(guest, problems);
        }

        return problems;
    }

    private static void CheckProgram(QemuDefinition guest, QemuCapabilities capabilities, List<QemuProblem> problems)
    {
        if (!capabilities.IsSupported)
        {
            problems.Add(new QemuProblem("qemu.binary", $"is QEMU {capabilities.Version}, expected {QemuCapabilities.Oldest} or newer"));
        }

        if (guest.Accelerator == "tcg" && !capabilities.CanReplicateUnderTcg)
        {
            problems.Add(new QemuProblem(
                "qemu.accel", $"is tcg, under which the primary of a pair hangs in QEMU {capabilities.Version}; expected kvm, or QEMU 11.0 and newer"));
        }

        Expect("qemu.machine", guest.Machine.Split(',')[0], QemuTool.NamesOf(guest.Binary, "-machine", "help"), "-machine help", problems);
        if (guest.Cpu.Length > 0 && guest.Cpu.Split(',')[0] is not ("host" or "max"))
        {
            IReadOnlySet<string> models = QemuTool.WordsOf(guest.Binary, "-cpu", "help");
            Expect("qemu.cpu", guest.Cpu.Split(',')[0], models, "-cpu help", problems);
        }

        IReadOnlySet<string> devices = QemuTool.DevicesOf(guest.Binary);
        for (int disk = 0; disk < guest.Disks.Count; disk++)
        {
            Expect(At("disks", disk, "device"), guest.Disks[disk].Device.Split(',')[0], devices, "-device help", problems);
        }

        for (int nic = 0; nic < guest.Nics.Count; nic++)
        {
            Expect(At("nics", nic, "model"), guest.Nics[nic].Model.Split(',')[0], devices, "-device help", problems);
        }
    }

    /// <summary>What the names alone do not tell, such as a port that is taken, too much memory, a property that the
    /// device has not: a QEMU is made of it, with nothing behind its disks and cards.</summary>
    private static void CheckWhole(QemuDefinition guest, List<QemuProblem> problems)
    {
        try
        {
            QemuTool.Try(guest.Binary, QemuCommandLine.Probe(guest, withExtraArguments: false));
        }
        catch (IOException problem)
        {
            problems.Add(new QemuProblem("qemu", $"makes a machine that QEMU refuses: {problem.Message}"));
            return;
        }

        // The probe's monitor is on standard input and output; who uses these for something else goes without it.
        if (guest.ExtraArguments.Count == 0 || guest.ExtraArguments.Any(argument => argument.Contains("stdio", StringComparison.Ordinal)))
        {
            return;
        }

        try
        {
            QemuTool.Try(guest.Binary, QemuCommandLine.Probe(guest, withExtraArguments: true));
        }
        catch (IOException problem)
        {
            problems.Add(new QemuProblem("qemu.arguments", $"are refused by QEMU: {problem.Message}"));
        }
    }

    private static void CheckKvm(QemuDefinition guest, string kvm, List<QemuProblem> problems)
    {
        if (guest.Accelerator != "kvm")
        {
            return;
        }

        try
        {
            using FileStream device = new(kvm, FileMode.Open, FileAccess.ReadWrite);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            problems.Add(new QemuProblem("qemu.accel", $"is kvm: {problem.Message}"));
        }
    }

    private static void CheckDisks(QemuDefinition guest, List<QemuProblem> problems)
    {
        for (int disk = 0; disk < guest.Disks.Count; disk++)
        {
            QemuDisk image = guest.Disks[disk];
            if (!File.Exists(image.Path))
            {
                problems.Add(new QemuProblem(At("disks", disk, "path"), $"is '{image.Path}': no such image"));
                continue;
            }

            try
            {
                long size = QemuTool.SizeOf(guest.ImageBinary, image.Path, image.Format);
                if (size == 0 || size % 512 != 0)
                {
                    problems.Add(new QemuProblem(
                        At("disks", disk, "path"), string.Create(CultureInfo.InvariantCulture, $"has {size} bytes, expected a multiple of 512")));
                }
            }
            catch (IOException problem)
            {
                problems.Add(new QemuProblem(At("disks", disk, "format"), $"is '{image.Format}': {problem.Message}"));
            }
        }
    }

    private static void Expect(string key, string value, IReadOnlySet<string> known, string help, List<QemuProblem> problems)
    {
        if (!known.Contains(value))
        {
            problems.Add(new QemuProblem(key, $"is '{value}', expected a name that '{help}' of this QEMU prints"));
        }
    }

    private static string At(string list, int index, string member) => string.Create(CultureInfo.InvariantCulture, $"{list}[{index}].{member}");
}
