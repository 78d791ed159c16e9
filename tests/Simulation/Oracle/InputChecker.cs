namespace Colo.Simulation.Oracle;

/// <summary>S12: the mirror delivers each client frame once and in order.</summary>
public sealed class InputChecker
{
    private int _checked;

    public void OnMirrored(SimVm vm, long serial, long last)
    {
        _checked++;
        if (serial <= last)
        {
            throw new InvariantFailureException("S12", $"{vm.Identity} gets mirrored frame {serial} after {last} ({_checked} before it were right)");
        }
    }
}
