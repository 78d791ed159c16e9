using Colo.Actors.Protocol;
using Colo.Host.Configuration;

namespace Colo.Host.Node;

/// <summary>
/// Asks a guest by ICMP echo while this host answers for it, and says when it has fallen silent and when it answers
/// again. It decides nothing: a guest that hangs hangs on both hosts. The hook <c>on-guest-silent</c> is the
/// operator's.
/// </summary>
internal sealed class GuestCheck : IDisposable
{
    private readonly VmRecord vm;
    private readonly VmCheck check;
    private readonly Action<HostEvent> happened;
    private readonly Action<string> hook;
    private readonly IcmpProbe probe;
    private int misses;
    private bool heard;
    private bool silent;

    public GuestCheck(VmRecord vm, VmCheck check, Action<HostEvent> happened, Action<string> hook)
    {
        this.vm = vm;
        this.check = check;
        this.happened = happened;
        this.hook = hook;
        probe = new IcmpProbe(check.Address, check.Interval, check.Interval, IsHere, Take);
    }

    public void Dispose() => probe.Dispose();

    private bool IsHere()
    {
        bool here = vm.Status?.Role is VmRole.Primary or VmRole.Solo;
        (misses, heard) = here ? (misses, heard) : (0, false);
        return here;
    }

    /// <summary>A guest that was never heard is still booting, or does not answer to anybody.</summary>
    internal void Take(bool answered)
    {
        misses = answered ? 0 : misses + 1;
        heard |= answered;
        if (answered && silent)
        {
            silent = false;
            Emit(EventCode.GuestAnswers, $"{check.Address}");
        }
        else if (heard && !silent && misses >= check.Misses)
        {
            silent = true;
            string text = $"{check.Address}: {misses} questions without an answer";
            Emit(EventCode.GuestSilent, text);
            hook(text);
        }
    }

    private void Emit(EventCode code, string text) =>
        happened(new HostEvent(code, vm.Status?.Term ?? Term.Zero, vm.Status?.Epoch ?? Epoch.Zero, text));
}
