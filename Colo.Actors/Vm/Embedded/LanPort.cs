using System.ComponentModel;
using System.Diagnostics;
using Colo.Vmm.Net;
using Colo.Vmm.Net.Backends;

namespace Colo.Actors.Vm.Embedded;

/// <summary>
/// The way of one card to the LAN: a TAP in a bridge while this host is the VM's place, nothing otherwise. Making the
/// TAP takes some milliseconds, so it is made beforehand and kept down; to attach is to set it up.
/// </summary>
internal sealed class LanPort : IDisposable
{
    private readonly string tap;
    private readonly string bridge;
    private readonly Action<string> log;
    private readonly Lock gate = new();
    private readonly GuestAddresses addresses = new();
    private TapBackend? backend;
    private volatile bool up;
    private bool disposed;

    /// <param name="tap">Name of the interface; empty: the card is not connected.</param>
    /// <param name="bridge">Bridge that it joins; empty: none.</param>
    /// <param name="mac">The card's address.</param>
    /// <param name="log">Told of trouble with the interface.</param>
    public LanPort(string tap, string bridge, byte[] mac, Action<string> log)
    {
        this.tap = tap;
        this.bridge = bridge;
        Mac = mac;
        this.log = log;
    }

    public byte[] Mac { get; }

    /// <summary>Takes frames from the LAN, on the interface's own thread.</summary>
    public FrameHandler? Received { get; set; }

    /// <summary>Called on the interface's own thread after frames were taken.</summary>
    public Action? Drained { get; set; }

    /// <summary>Whether frames go to the LAN and come from it.</summary>
    public bool IsAttached => up;

    /// <summary>Notes the addresses that the guest uses, for the announcement after a takeover.</summary>
    public void Learn(ReadOnlySpan<byte> frame) => addresses.Learn(frame, Mac);

    /// <summary>A frame of the LAN: what another machine claims is not announced as the guest's.</summary>
    public void Hear(ReadOnlySpan<byte> frame) => addresses.Hear(frame, Mac);

    /// <summary>The guest is gone, and what was learnt of it.</summary>
    public void Forget() => addresses.Forget();

    internal IEnumerable<byte[]> Announcements => addresses.Announcements(Mac);

    /// <summary>Makes the interface, down, so that attaching is quick. Harmless when it exists.</summary>
    public void Prepare()
    {
        lock (gate)
        {
            if (backend is null && tap.Length > 0)
            {
                backend = new TapBackend(tap)
                {
                    Received = frame =>
                    {
                        if (up)
                        {
                            Received?.Invoke(frame);
                        }
                    },
                    Drained = () => Drained?.Invoke(),
                    Lost = () => ThreadPool.UnsafeQueueUserWorkItem(_ => MakeAnew(), null),
                };
                if (bridge.Length > 0)
                {
                    Ip("link", "set", tap, "master", bridge);
                }
            }
        }
    }

    public void Attach()
    {
        Prepare();
        lock (gate)
        {
            if (!up && backend is not null)
            {
                SetUp(backend, true);
                up = true;
            }
        }
    }

    public void Detach()
    {
        lock (gate)
        {
            if (up)
            {
                up = false;
                SetUp(backend!, false);
            }
        }
    }

    public void Send(ReadOnlySpan<byte> frame)
    {
        if (up)
        {
            backend?.Send(frame);
        }
    }

    /// <summary>Tells the LAN where the guest's addresses are now.</summary>
    public void Announce()
    {
        foreach (byte[] frame in Announcements)
        {
            Send(frame);
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            disposed = true;
            up = false;
            backend?.Dispose();
            backend = null;
        }
    }

    /// <summary>Somebody has deleted the interface, or a restart of the host's network has. Once for each time: what
    /// cannot be made is told, and tried again when the card is attached next.</summary>
    private void MakeAnew()
    {
        lock (gate)
        {
            if (disposed)
            {
                return;
            }

            bool wasUp = up;
            up = false;
            backend?.Dispose();
            backend = null;
            try
            {
                Prepare();
                if (wasUp)
                {
                    Attach();
                }

                log($"TAP interface '{tap}' was deleted by somebody; it has been made anew");
            }
            catch (Exception problem) when (problem is IOException or Win32Exception)
            {
                log($"TAP interface '{tap}' was deleted by somebody, and the guest has no network without it: {problem.Message}");
            }
        }
    }

    private void SetUp(TapBackend interfaceOf, bool isUp)
    {
        if (interfaceOf.TrySetUp(isUp) is { } problem)
        {
            log(problem);
        }
    }

    private void Ip(params string[] arguments)
    {
        var start = new ProcessStartInfo("ip") { RedirectStandardError = true, UseShellExecute = false };
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start) ?? throw new IOException("the program 'ip' (package iproute2) cannot be started");
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            log($"ip {string.Join(' ', arguments)}: {error.Trim()}");
        }
    }
}
