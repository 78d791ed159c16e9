using System.Collections.Concurrent;
using System.Net.Http.Json;
using System.Text.Json;
using Colo.Actors.Protocol;
using Colo.Host.Cli;
using Colo.Host.Configuration;
using Colo.Host.Node;
using Colo.Vmm.Block;
using Microsoft.AspNetCore.Builder;

namespace Colo.Host.Tests.Cluster;

/// <summary>A real node of this process on loopback, with scripted machines and its management HTTP.</summary>
internal sealed class LoopbackNode : IAsyncDisposable
{
    /// <summary>A hang, not a slow machine.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(90);

    private readonly string file;
    private WebApplication? web;

    public LoopbackNode(string name, string file)
    {
        Name = name;
        this.file = file;
    }

    public string Name { get; }

    /// <summary>What the host says of its memory; null: the kernel's word. To be set before the start.</summary>
    public Func<(long Available, long Total)>? Memory { get; set; }

    /// <summary>What the node takes for the time. To be set before the start.</summary>
    public TimeProvider Time { get; set; } = TimeProvider.System;

    /// <summary>Whether its machines are real ones. To be set before the start.</summary>
    public bool IsEmbedded { get; set; }

    /// <summary>Sees each effect before a scripted machine carries it out; false: it never does. It may
    /// throw.</summary>
    public Func<Effect, bool>? Effects { get; set; }

    /// <summary>Opens the files of replicated disks; null: as they are. To be set before the start.</summary>
    public Func<string, FileMode, IStorageFile>? Files { get; set; }

    public NodeRuntime Runtime { get; private set; } = null!;

    public HttpClient Http { get; private set; } = null!;

    public string Url { get; private set; } = string.Empty;

    public ConcurrentQueue<string> Lines { get; } = new();

    public ConcurrentDictionary<string, ScriptedBackend> Machines { get; } = new();

    public async Task StartAsync()
    {
        ConfigurationLoader loader = ConfigurationLoader.Load(file, new Dictionary<string, string>());
        NodeOptions? options = NodeOptionsReader.Read(loader, out IReadOnlyList<ConfigurationError> errors);
        Assert.True(options is not null, string.Join('\n', errors));
        Runtime = new NodeRuntime(
            options, loader.Config.WithFallback(NodeCommand.Engine), Time, Lines.Enqueue,
            IsEmbedded ? null : (vm, _, report) => Machines[vm.Name] = new ScriptedBackend(
                report, effect => Effects?.Invoke(effect) ?? true), Memory, Files)
        {
            ConfigEntries = EffectiveKeys.Of(loader),
        };
        web = NodeCommand.Management(options, Runtime);
        await web.StartAsync();
        Url = web.Urls.Single();
        Http = new HttpClient(
            new HttpClientHandler { AllowAutoRedirect = false }) { BaseAddress = new Uri(Url), Timeout = Hang };
    }

    /// <summary>Ends the management HTTP as a node does that stops: what is under way is answered.</summary>
    public Task EndHttpAsync() => web!.StopAsync();

    public async Task StopAsync()
    {
        if (web is not null)
        {
            Http.Dispose();
            await Runtime.DisposeAsync();
            await web.StopAsync(new CancellationToken(canceled: true));
            await web.DisposeAsync();
            web = null;
        }
    }

    /// <summary>Waits for an event that matches, past ones included.</summary>
    public async Task<LoggedEvent> WhenAsync(string vm, EventCode code, long after = 0)
    {
        using var late = new CancellationTokenSource(Hang);
        try
        {
            await foreach (LoggedEvent logged in Runtime.Events.Follow(after, late.Token))
            {
                if (logged.Vm == vm && logged.Code == (int)code)
                {
                    return logged;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Said below.
        }

        throw new TimeoutException(
            $"{Name} has not seen {code} of '{vm}':\n{string.Join('\n', Runtime.Events.After(0).Select(logged => $"{logged.Id} E{logged.Code} {logged.Name} {logged.Vm}: {logged.Summary}"))}\n{string.Join('\n', Lines)}");
    }

    /// <summary>Asks until the answer is as wanted.</summary>
    public async Task<JsonElement> WhenAsync(string path, Func<JsonElement, bool> wanted)
    {
        using var late = new CancellationTokenSource(Hang);
        JsonElement last = default;
        while (!late.IsCancellationRequested)
        {
            last = await Http.GetFromJsonAsync<JsonElement>(path);
            if (wanted(last))
            {
                return last;
            }

            await Task.Delay(50);
        }

        throw new TimeoutException($"{Name}: {path} stays {last}\n{string.Join('\n', Lines)}");
    }

    public ValueTask DisposeAsync() => new(StopAsync());
}
