namespace Colo.Vmm.Machine;

/// <summary>A file that the machine should start from cannot be used; the message names file, value and
/// expectation.</summary>
public sealed class LoadException : Exception
{
    public LoadException(string message)
        : base(message)
    {
    }

    public LoadException(string message, Exception cause)
        : base(message, cause)
    {
    }
}
