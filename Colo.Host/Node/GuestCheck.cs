using Colo.Actors.Protocol;
using Colo.Host.Configuration;

namespace Colo.Host.Node;

/// <summary>
/// Asks a guest by ICMP echo or ARP while this host answers for it, and says when it has fallen silent and when it
/// answers again. What follows is the operator's word: the hook <c>on-guest-silent</c>, and a switchover if the
/// definition says so.
/// </summary>
internal sealed class GuestCheck : IDisposable
{
    private readonly VmRecord vm;
    private readonly VmCheck check;
    private readonly Action<HostEvent> happened;
    private readonly Action<string> hook;
    private readonly Action exchange;
    private readonly IDisposable probe;
    private int misses;
    private bool heard;
    private bool silent;

    /// <param name="vm">Learns since when the guest is silent.</param>
    /// <param name="check">What the definition asks for.</param>
    /// <param name="device">The bridge of the guest's first card.</param>
    /// <param name="happened">Takes the events.</param>
    /// <param name="hook">Runs the operator's script.</param>
    /// <param name="exchange">Begins a switchover.</param>
    public GuestCheck(
        VmRecord vm, VmCheck check, string device, Action<HostEvent> happened, Action<string> hook, Action exchange)
    {
        this.vm = vm;
        this.check = check;
        this.happened = happened;
        this.hook = hook;
        this.exchange = exchange;
        probe = check.By == VmCheckQuestion.Arp
            ? new GuestProbe(check, device, IsHere, Take)
            : new IcmpProbe(check.Address, check.Interval, check.Interval, IsHere, Take);
    }

    public void Dispose() => probe.Dispose();

    private bool IsHere()
    {
        bool here = vm.Status?.Role is VmRole.Primary or VmRole.Solo;
        if (!here)
        {
            (misses, heard, silent) = (0, false, false);
            vm.GuestSilent = string.Empty;
        }

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
            vm.GuestSilent = string.Empty;
            Emit(EventCode.GuestAnswers, $"{check.Address}");
        }
        else if (heard && !silent && misses >= check.Misses)
        {
            silent = true;
            string text = $"{check.Address}: {misses} questions without an answer";
            Emit(EventCode.GuestSilent, text);
            vm.GuestSilent = text;
            hook(text);
            if (check.Then == VmCheckAction.Switchover && vm.Status?.Role == VmRole.Primary)
            {
                exchange();
            }
        }
    }

    private void Emit(EventCode code, string text) =>
        happened(new HostEvent(code, vm.Status?.Term ?? Term.Zero, vm.Status?.Epoch ?? Epoch.Zero, text));
}
