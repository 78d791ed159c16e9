namespace Colo.Vmm.Qmp.Parts;

/// <summary>
/// A command or option that cannot be carried out; the monitor answers with its class and text, the command line
/// shows the text. Never leaves <see cref="MachineParts"/>.
/// </summary>
internal sealed class QmpFailureException(string message, QmpErrorClass errorClass = QmpErrorClass.GenericError)
    : Exception(message)
{
    public QmpErrorClass ErrorClass => errorClass;
}
