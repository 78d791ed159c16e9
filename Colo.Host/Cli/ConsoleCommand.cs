using System.CommandLine;
using System.Text;
using System.Threading.Channels;

namespace Colo.Host.Cli;

/// <summary>The command <c>colo console</c>: the guest's serial console over the management HTTP. Ctrl-A x
/// leaves.</summary>
internal static class ConsoleCommand
{
    private const string Help = "\r\n[colo] Ctrl-A x: leave the console; Ctrl-A Ctrl-A: send Ctrl-A; Ctrl-A c: this text\r\n";

    private static readonly Argument<string> Vm = new("VM") { Description = "The VM's name" };
    private static readonly Option<bool> TailOnly = new("--no-follow") { Description = "Print what is kept and end" };

    public static Command Build() => ClientCommand.Online(
        "console", "The guest's serial console. Ctrl-A x leaves, Ctrl-A c shows help.", RunAsync, Vm, TailOnly);

    private static async Task<int> RunAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        string vm = parsed.GetValue(Vm)!;
        bool follow = !parsed.GetValue(TailOnly) && !context.Json;
        if (follow)
        {
            using HttpResponseMessage response = await context.Node.OpenAsync(
                $"{NodeClient.PathOf(vm)}/console?follow=true", null, cancellation).ConfigureAwait(false);
            return await FollowAsync(context, vm, response, cancellation).ConfigureAwait(false);
        }

        byte[] tail = await context.Node.ConsoleAsync(vm, cancellation).ConfigureAwait(false);
        if (context.Json)
        {
            context.WriteJson(new { version = 1, vm, tail = Encoding.UTF8.GetString(tail) });
        }
        else
        {
            Write(context, tail);
        }

        return ExitCode.Done;
    }

    private static async Task<int> FollowAsync(
        ClientContext context, string vm, HttpResponseMessage response, CancellationToken cancellation)
    {
        using var left = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Channel<byte[]> keys = Channel.CreateUnbounded<byte[]>();
        using var typed = new TypedKeys(
            () => Leave(left), () => context.Error.Write(Help), some => keys.Writer.TryWrite(some.ToArray()),
            () => keys.Writer.TryComplete());
        Task typing = TypeAsync(context, vm, keys.Reader, left.Token);
        try
        {
            using Stream body = await response.Content.ReadAsStreamAsync(left.Token).ConfigureAwait(false);
            byte[] buffer = new byte[4096];
            int got;
            while ((got = await body.ReadAsync(buffer, left.Token).ConfigureAwait(false)) > 0)
            {
                Write(context, buffer.AsSpan(0, got));
            }
        }
        catch (OperationCanceledException) when (left.IsCancellationRequested && !typing.IsFaulted)
        {
            return ExitCode.Done;
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            throw new ClientException(ExitCode.Unreachable, $"the console of {vm} broke off: {e.Message}", e);
        }

        return ExitCode.Done;
    }

    private static void Leave(CancellationTokenSource left)
    {
        try
        {
            left.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The console has ended by itself.
        }
    }

    /// <summary>One request after the other, so that keys arrive in order.</summary>
    private static async Task TypeAsync(ClientContext context, string vm, ChannelReader<byte[]> keys, CancellationToken cancellation)
    {
        try
        {
            await foreach (byte[] typed in keys.ReadAllAsync(cancellation).ConfigureAwait(false))
            {
                await context.Node.TypeAsync(vm, typed, cancellation).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Left.
        }
        catch (ClientException e)
        {
            await context.Error.WriteLineAsync($"\r\ncolo: keys no longer reach the guest: {e.Message}\r").ConfigureAwait(false);
        }
    }

    private static void Write(ClientContext context, ReadOnlySpan<byte> bytes)
    {
        if (!ReferenceEquals(context.Output, Console.Out))
        {
            context.Output.Write(Encoding.UTF8.GetString(bytes));
            return;
        }

        // The guest's bytes as they are, also half characters.
        using Stream output = Console.OpenStandardOutput();
        output.Write(bytes);
        output.Flush();
    }
}
