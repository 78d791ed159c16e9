using System.Text.Json.Nodes;

namespace Colo.Vmm.Monitor;

/// <summary>The answer to a command: a value or an error.</summary>
public abstract record QmpReply
{
    private QmpReply()
    {
    }

    /// <summary>The empty object, which most commands return.</summary>
    public static QmpReply Done => new Success(new JsonObject());

    public static QmpReply Error(string description) => new Failure(QmpErrorClass.GenericError, description);

    /// <summary><c>AfterReply</c> runs when the answer is on its way: for commands that end the server.</summary>
    public sealed record Success(JsonNode Value, Action? AfterReply = null) : QmpReply;

    public sealed record Failure(QmpErrorClass Class, string Description) : QmpReply;
}
