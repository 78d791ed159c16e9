using System.Collections;
using System.CommandLine;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Akka.Configuration;
using Colo.Host.Configuration;
using Colo.Host.Node;

namespace Colo.Host.Cli;

/// <summary>
/// The command <c>colo node</c>: runs a node until it is told to stop, then hands its guests over first.
/// </summary>
internal static class NodeCommand
{
    /// <summary>
    /// What the actor engine is told when the node's file says nothing else; the machine has a thread of its own.
    /// </summary>
    internal static readonly Config Engine = ConfigurationFactory.ParseString("""
        akka {
          loglevel = WARNING
          log-dead-letters = off
        }
        colo.machine-dispatcher {
          type = PinnedDispatcher
        }
        """);

    /// <summary>
    /// What orders under way over HTTP get to be answered when the node ends: the guests' farewell and this must be
    /// over before the service manager kills the process.
    /// </summary>
    private static readonly TimeSpan AnswersLimit = TimeSpan.FromSeconds(2);

    private static readonly Option<string> File = new(
        "--config") { Description = "The node's HOCON file", Required = true };

    public static Command Build()
    {
        var node = new Command("node", "Run a node: a host of protected guests, or a witness") { File };
        node.SetAction(async (parsed, cancellation) =>
        {
            try
            {
                return await RunAsync(parsed.GetValue(File)!, cancellation).ConfigureAwait(false);
            }
            catch (NodeStartException problem)
            {
                await parsed.InvocationConfiguration.Error.WriteLineAsync(
                    $"colo: the node cannot start: {problem.Message}").ConfigureAwait(false);
                return ExitCode.Failed;
            }
        });
        return node;
    }

    private static async Task<int> RunAsync(string path, CancellationToken cancellation)
    {
        var environment = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
            .ToDictionary(
                entry => (string)entry.Key, entry => (string?)entry.Value ?? string.Empty, StringComparer.Ordinal);
        ConfigurationLoader loader = ConfigurationLoader.Load(path, environment);
        NodeOptions? options = NodeOptionsReader.Read(loader, out IReadOnlyList<ConfigurationError> errors);
        if (options is null)
        {
            foreach (ConfigurationError error in errors)
            {
                await Console.Error.WriteLineAsync($"colo: {error}").ConfigureAwait(false);
            }

            return 2;
        }

        // Links and timers must not wait for the pool to grow by one thread each half second.
        ThreadPool.SetMinThreads(16, 16);
        void Log(string line) => Console.WriteLine($"{DateTimeOffset.UtcNow:HH:mm:ss.fff} {options.Name} {line}");
        await using NodeRuntime node = Started(() => new NodeRuntime(
            options, loader.Config.WithFallback(Engine), TimeProvider.System, Log)
        {
            ConfigEntries = EffectiveKeys.Of(loader),
        });
        await using WebApplication web = Started(() => Management(options, node));
        await Started(() => web.StartAsync(cancellation)).ConfigureAwait(false);
        _ = PrintEventsAsync(node, Log, cancellation);
        Log($"ready: management on {string.Join(", ", web.Urls)}");
        if (SystemdNotify.Ready() is { } untold)
        {
            Log($"the service manager is not told that the node is ready: {untold}");
        }

        var stop = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using PosixSignalRegistration term = PosixSignalRegistration.Create(
            PosixSignal.SIGTERM, signal => Stop(signal, stop));
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(
            PosixSignal.SIGINT, signal => Stop(signal, stop));
        Task ended = await Task.WhenAny(stop.Task, node.Failed.Task).ConfigureAwait(false);
        if (ended == stop.Task)
        {
            Log("stopping: handing the guests over");
            await node.StopGuestsAsync(options.StopLimit).ConfigureAwait(false);
        }

        try
        {
            await web.StopAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            Log("an order was not answered in time");
        }

        return ended == stop.Task ? 0 : 1;
    }

    /// <summary>A step of the start: what the operator can mend comes out as a sentence.</summary>
    private static T Started<T>(Func<T> step)
    {
        try
        {
            return step();
        }
        catch (Exception problem) when (IsOfTheSurroundings(problem))
        {
            throw new NodeStartException(problem);
        }
    }

    private static async Task Started(Func<Task> step)
    {
        try
        {
            await step().ConfigureAwait(false);
        }
        catch (Exception problem) when (IsOfTheSurroundings(problem))
        {
            throw new NodeStartException(problem);
        }
    }

    /// <summary>Addresses that are taken, files that cannot be used, certificates that do not fit.</summary>
    private static bool IsOfTheSurroundings(Exception problem) =>
        problem is IOException or SocketException or UnauthorizedAccessException or InvalidDataException
            or CryptographicException or ArgumentException;

    private static void Stop(PosixSignalContext signal, TaskCompletionSource stop)
    {
        signal.Cancel = true;
        stop.TrySetResult();
    }

    internal static WebApplication Management(NodeOptions options, NodeRuntime node)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = AnswersLimit);
        builder.WebHost.ConfigureKestrel(
            kestrel => kestrel.Listen(options.Management.Host, options.Management.Port, listen =>
        {
            if (options.Tls is { } tls && !System.Net.IPAddress.IsLoopback(options.Management.Host))
            {
                listen.UseHttps(
                    System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPemFile(
                    tls.Certificate, tls.Key));
            }
        }));
        WebApplication app = builder.Build();
        string? token = options.Management.TokenFile.Length > 0
            ? System.IO.File.ReadAllText(options.Management.TokenFile).Trim() : null;
        ManagementApi.Map(app, node, token);
        return app;
    }

    private static async Task PrintEventsAsync(NodeRuntime node, Action<string> log, CancellationToken cancellation)
    {
        await foreach (LoggedEvent logged in node.Events.Follow(0, cancellation).ConfigureAwait(false))
        {
            log($"E{logged.Code} {logged.Name} {logged.Vm} term {logged.Term} epoch {logged.Epoch}: {logged.Summary}");
        }
    }
}
