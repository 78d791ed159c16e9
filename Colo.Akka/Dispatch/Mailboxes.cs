using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Configuration;
using Akka.Util;

namespace Akka.Dispatch;

/// <summary>The mailbox types of a system, by configuration id.</summary>
public class Mailboxes
{
    public static readonly string DefaultMailboxId = "akka.actor.default-mailbox";
    public static readonly string NoMailboxRequirement = "";
    private const string Unbounded = "unbounded";

    private readonly ActorSystem _system;
    private readonly ConcurrentDictionary<string, MailboxType> _types = new();
    private readonly ConcurrentDictionary<Type, Type> _requiredByActor = new();
    private readonly Lazy<Dictionary<Type, string>> _requirements;

    public Mailboxes(ActorSystem system)
    {
        _system = system;
        DeadLetterMailbox = new DeadLetterMailbox(system.DeadLetters);
        _requirements = new Lazy<Dictionary<Type, string>>(ReadRequirements);
        _types[Unbounded] = new UnboundedMailbox();
    }

    public DeadLetterMailbox DeadLetterMailbox { get; }

    /// <exception cref="ConfigurationException">No such section, or its mailbox-type cannot be made.</exception>
    public MailboxType Lookup(string id) => _types.GetOrAdd(id, static (key, self) => self.Make(key), this);

    public bool HasRequiredType(Type actorType) => GetRequiredType(actorType) is not null;

    /// <summary>
    /// The semantics that an actor class asks for with IRequiresMessageQueue; null when it asks for none.
    /// </summary>
    public Type GetRequiredType(Type actorType) => _requiredByActor.GetOrAdd(
        actorType,
        static type => type.GetInterfaces()
            .FirstOrDefault(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IRequiresMessageQueue<>))
            ?.GetGenericArguments()[0] ?? typeof(void)) is var required && required == typeof(void) ? null : required;

    public MailboxType LookupByQueueType(Type queueType) =>
        _requirements.Value.TryGetValue(queueType, out var id)
            ? Lookup(id)
            : throw new ConfigurationException(
                $"Mailbox mapping for [{queueType}] not configured under akka.actor.mailbox.requirements");

    /// <summary>
    /// In this order: the id in the props, the dispatcher's mailbox-type, what the class asks for, the default.
    /// </summary>
    public MailboxType GetMailboxType(Props props, Config dispatcherConfig)
    {
        if (!string.IsNullOrEmpty(props.Mailbox))
        {
            return Lookup(props.Mailbox);
        }

        if (dispatcherConfig is not null)
        {
            if (!string.IsNullOrEmpty(dispatcherConfig.GetString("mailbox-type", null)))
            {
                return Lookup(dispatcherConfig.GetString("id", null));
            }

            var requirement = dispatcherConfig.GetString("mailbox-requirement", NoMailboxRequirement);
            if (!string.IsNullOrEmpty(requirement))
            {
                return LookupByQueueType(TypeNames.Require(requirement, "a message queue semantics"));
            }
        }

        return GetRequiredType(props.Type) is { } required ? LookupByQueueType(required) : Lookup(DefaultMailboxId);
    }

    public int StashCapacity(string dispatcher, string mailbox)
    {
        var config = _system.Settings.Config;
        var id = string.IsNullOrEmpty(mailbox) ? DefaultMailboxId : mailbox;
        return !string.IsNullOrEmpty(dispatcher) && config.HasPath(dispatcher + ".stash-capacity")
            ? config.GetInt(dispatcher + ".stash-capacity", -1)
            : config.GetInt(id + ".stash-capacity", config.GetInt(DefaultMailboxId + ".stash-capacity", -1));
    }

    private Dictionary<Type, string> ReadRequirements()
    {
        var map = new Dictionary<Type, string>();
        var section = _system.Settings.Config.GetConfig("akka.actor.mailbox.requirements");
        foreach (var (key, value) in section.AsEnumerable())
        {
            var name = key.Trim('"');
            map[TypeNames.Require(name, "a message queue semantics")] = value.GetString();
        }

        return map;
    }

    private MailboxType Make(string id)
    {
        var config = _system.Settings.Config.GetConfig(id);
        if (config is null)
        {
            throw new ConfigurationException($"Mailbox Type [{id}] not configured");
        }

        var defaults = _system.Settings.Config.GetConfig(DefaultMailboxId);
        config = ConfigurationFactory.ParseString($"id = \"{id}\"").WithFallback(config);
        config = defaults is null ? config : config.WithFallback(defaults);
        var typeName = config.GetString("mailbox-type", null);
        if (string.IsNullOrEmpty(typeName))
        {
            throw new ConfigurationException($"The setting mailbox-type defined in [{id}] is empty");
        }

        return TypeNames.Create<MailboxType>(
            typeName, "a MailboxType with (Settings, Config)", _system.Settings, config);
    }
}
