using Akka.Configuration;
using Akka.Dispatch;

namespace Akka.TestKit;

/// <summary>Runs an actor on the thread that tells it something, before Tell returns.</summary>
public class CallingThreadDispatcher : MessageDispatcher
{
    public static new readonly string Id = "akka.test.calling-thread-dispatcher";

    public CallingThreadDispatcher(MessageDispatcherConfigurator configurator)
        : base(configurator)
    {
        base.Id = configurator.Config.GetString("id", Id);
        Throughput = configurator.Config.GetInt("throughput", int.MaxValue);
    }

    protected override void ExecuteTask(IRunnable run) => run.Run();

    protected override void Shutdown()
    {
    }
}

public class CallingThreadDispatcherConfigurator : MessageDispatcherConfigurator
{
    private readonly CallingThreadDispatcher _instance;

    public CallingThreadDispatcherConfigurator(Config config, IDispatcherPrerequisites prerequisites)
        : base(config, prerequisites) => _instance = new CallingThreadDispatcher(this);

    public override MessageDispatcher Dispatcher() => _instance;
}
