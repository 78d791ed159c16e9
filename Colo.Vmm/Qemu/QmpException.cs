namespace Colo.Vmm.Qemu;

/// <summary>A QMP command was refused, or could not be carried to its end.</summary>
public sealed class QmpException : IOException
{
    public QmpException(string command, string errorClass, string description, Exception? inner = null)
        : base($"QMP command '{command}': {description} ({errorClass})", inner)
    {
        Command = command;
        ErrorClass = errorClass;
        Description = description;
    }

    /// <summary>The command's name.</summary>
    public string Command { get; }

    /// <summary>
    /// QEMU's own class (GenericError, CommandNotFound, DeviceNotActive, DeviceNotFound, KVMMissingCap), or one of
    /// ours:
    /// <see cref="Timeout"/>, <see cref="Closed"/>.
    /// </summary>
    public string ErrorClass { get; }

    /// <summary>QEMU's text; for people, never to be parsed.</summary>
    public string Description { get; }

    /// <summary>The command was not answered in time. Whether it was carried out is unknown.</summary>
    public const string Timeout = "ColoTimeout";

    /// <summary>The connection ended before the answer. Whether it was carried out is unknown.</summary>
    public const string Closed = "ColoClosed";
}
