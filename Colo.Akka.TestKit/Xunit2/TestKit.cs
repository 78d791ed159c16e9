using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Event;
using Xunit.Abstractions;

namespace Akka.TestKit.Xunit2;

/// <summary>Base of test classes: one system for each test, ended after it.</summary>
public class TestKit : TestKitBase, IDisposable
{
    private bool _disposed;

    public TestKit(ActorSystem system = null, ITestOutputHelper output = null)
        : base(Assertions, system, null)
    {
        Output = output;
        InitializeLogger(Sys);
    }

    public TestKit(ActorSystemSetup config, string actorSystemName = null, ITestOutputHelper output = null)
        : base(Assertions, config, actorSystemName)
    {
        Output = output;
        InitializeLogger(Sys);
    }

    public TestKit(Config config, string actorSystemName = null, ITestOutputHelper output = null)
        : base(Assertions, config, actorSystemName)
    {
        Output = output;
        InitializeLogger(Sys);
    }

    public TestKit(string config, ITestOutputHelper output = null)
        : base(Assertions, ConfigurationFactory.ParseString(config), null)
    {
        Output = output;
        InitializeLogger(Sys);
    }

    public static new Config DefaultConfig => TestKitBase.DefaultConfig;

    public static new Config FullDebugConfig => TestKitBase.FullDebugConfig;

    protected static new XunitAssertions Assertions { get; } = new();

    protected ITestOutputHelper Output { get; }

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Runs once after each test.</summary>
    protected virtual void AfterAll() => Shutdown();

    protected virtual void Dispose(bool disposing)
    {
        if (!disposing || _disposed)
        {
            return;
        }

        _disposed = true;
        try
        {
            AfterAll();
        }
        finally
        {
            ForgetImplicitSender();
        }
    }

    protected void InitializeLogger(ActorSystem system)
    {
        if (Output is null)
        {
            return;
        }

        var logger = ((ExtendedActorSystem)system).SystemActorOf(
            Props.Create(() => new TestOutputLogger(Output)), "log-test");
        logger.Ask<LoggerInitialized>(new InitializeLogger(system.EventStream), Dilated(TestKitSettings.DefaultTimeout))
            .ConfigureAwait(false).GetAwaiter().GetResult();
    }
}

/// <summary>Writes the log to the output of the test.</summary>
public class TestOutputLogger : ReceiveActor
{
    public TestOutputLogger(ITestOutputHelper output)
    {
        Receive<LogEvent>(e =>
        {
            try
            {
                output.WriteLine(e.ToString());
            }
            catch (InvalidOperationException)
            {
                // The test is over and takes no more output.
            }
        });
        Receive<InitializeLogger>(initialize =>
        {
            foreach (var type in new[] { typeof(Debug), typeof(Info), typeof(Warning), typeof(Error) })
            {
                initialize.LoggingBus.Subscribe(Self, type);
            }

            Sender.Tell(new LoggerInitialized());
        });
    }
}
