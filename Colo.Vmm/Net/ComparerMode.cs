namespace Colo.Vmm.Net;

/// <summary>Who may release.</summary>
public enum ComparerMode
{
    /// <summary>Frames leave by Matched or Committed.</summary>
    Pair = 1,

    /// <summary>This host owns the VM alone: frames leave at once.</summary>
    Solo,

    /// <summary>The term is lost: nothing leaves any more.</summary>
    Stopped,
}
