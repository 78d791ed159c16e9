using Akka.Actor;
using Akka.Event;

namespace Akka.TestKit
{
    /// <summary>The logger of tests: what a filter expects is counted and not printed.</summary>
    public class TestEventListener : DefaultLogger
    {
        private readonly List<EventFilterBase> _filters = [];

        protected override bool Receive(object message)
        {
            switch (message)
            {
                case InitializeLogger initialize:
                    foreach (var type in new[]
                        { typeof(TestEvent.Mute), typeof(TestEvent.Unmute), typeof(DeadLetter), typeof(UnhandledMessage) })
                    {
                        initialize.LoggingBus.Subscribe(Self, type);
                    }

                    Sender.Tell(new LoggerInitialized());
                    break;
                case TestEvent.Mute mute:
                    _filters.AddRange(mute.Filters);
                    break;
                case TestEvent.Unmute unmute:
                    foreach (var filter in unmute.Filters)
                    {
                        _filters.Remove(filter);
                    }

                    break;
                case LogEvent logEvent:
                    if (!IsExpected(logEvent))
                    {
                        Print(logEvent);
                    }

                    break;
                case DeadLetter dead:
                    Handle(dead);
                    break;
                case UnhandledMessage unhandled:
                    var warning = new Warning(
                        unhandled.Recipient.Path.ToString(), unhandled.Recipient.GetType(),
                        $"Unhandled message from {unhandled.Sender}: {unhandled.Message}");
                    if (!IsExpected(warning))
                    {
                        Print(warning);
                    }

                    break;
                default:
                    Print(new Debug(Context.System.Name, GetType(), message));
                    break;
            }

            return true;
        }

        private void Handle(DeadLetter dead)
        {
            var recipient = dead.Recipient;
            var warning = new Warning(recipient.Path.ToString(), recipient.GetType(), dead);

            // The listener of dead letters prints; this is only for the filters.
            IsExpected(warning);
        }

        private bool IsExpected(LogEvent logEvent)
        {
            foreach (var filter in _filters)
            {
                try
                {
                    if (filter.Apply(logEvent))
                    {
                        return true;
                    }
                }
                catch (Exception)
                {
                    // A filter of the test that throws has not matched.
                }
            }

            return false;
        }
    }
}

namespace Akka.TestKit.TestEvent
{
    /// <summary>To the listener: these events are expected from now on.</summary>
    public sealed class Mute : INoSerializationVerificationNeeded
    {
        public Mute(params EventFilterBase[] filters) => Filters = filters;

        public IReadOnlyCollection<EventFilterBase> Filters { get; }
    }

    public sealed class Unmute : INoSerializationVerificationNeeded
    {
        public Unmute(params EventFilterBase[] filters) => Filters = filters;

        public IReadOnlyCollection<EventFilterBase> Filters { get; }
    }
}
