namespace Colo.Actors.Arbiter;

/// <summary>Whether two hosts hold the VM together or one owns it alone.</summary>
public enum ArbiterMode
{
    Pair = 1,
    Solo = 2,
}
