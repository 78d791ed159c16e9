namespace Colo.Host.Demo;

/// <summary>What one fault did.</summary>
/// <param name="Host">The host that it hit; each time the primary of the moment.</param>
/// <param name="Kind">kill, cable, freeze or power.</param>
/// <param name="DetectMs">Fault to the survivor's verdict that the peer is lost.</param>
/// <param name="TermMs">From then to the arbiter's yes.</param>
/// <param name="TakeoverMs">Fault to the survivor owning the VM.</param>
/// <param name="DownloadGapMs">Longest time around the fault in which the download did not go on.</param>
/// <param name="RequestGapMs">The same for the second client.</param>
/// <param name="ReprotectMs">From the host's return to the pair being whole again.</param>
public sealed record FaultReport(
    string Host, string Kind, double DetectMs, double TermMs, double TakeoverMs, double DownloadGapMs, double RequestGapMs, double ReprotectMs);

/// <summary>The verdict of a demo, and its <c>--json</c> form.</summary>
public sealed record DemoReport(
    bool ConnectionSurvived, bool HashOk, long Bytes, IReadOnlyList<double> GapMs, double DetectMs, double TakeoverMs, double ReprotectMs,
    long Checkpoints, long Mismatches, string Mode, string Workload, IReadOnlyList<FaultReport> Faults);
