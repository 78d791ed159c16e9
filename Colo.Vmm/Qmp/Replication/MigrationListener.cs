using System.Net.Sockets;

namespace Colo.Vmm.Qmp.Replication;

/// <summary>
/// Finds the two connections of a migration among whoever else connects to its port.
/// <code>
///   connected -> preamble whole: control or pages
///            \-> anything else, broken, or not whole within <see cref="PreambleLimit"/>: a stranger, closed
/// </code>
/// All that have connected are looked at side by side, so a stranger that says nothing keeps nobody waiting. A second
/// connection of a kind takes the first one's place: a source that broke off between its two connections, and one
/// that tries again.
/// </summary>
internal sealed class MigrationListener(Socket listener, TimeProvider time, Action refused)
{
    /// <summary>A source writes its eight bytes as soon as it is connected; seconds are a slow network's.</summary>
    public static readonly TimeSpan PreambleLimit = TimeSpan.FromSeconds(5);

    private const int CallersMax = 16;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);
    private readonly List<Caller> _callers = [];
    private Socket? _control;
    private Socket? _pages;
    private bool _isColo;

    /// <summary>Waits for both; they are the caller's from then on.</summary>
    /// <exception cref="SocketException">The listener has failed.</exception>
    /// <exception cref="ObjectDisposedException">The listener was disposed of to end this.</exception>
    public (Socket Control, Socket Pages, bool IsColo) Accept()
    {
        bool isWhole = false;
        try
        {
            while (_control is null || _pages is null)
            {
                LookOnce();
            }

            isWhole = true;
            return (_control, _pages, _isColo);
        }
        finally
        {
            _callers.ForEach(caller => caller.Socket.Dispose());
            if (!isWhole)
            {
                _control?.Dispose();
                _pages?.Dispose();
            }
        }
    }

    private void LookOnce()
    {
        List<Socket> readable = [listener, .. _callers.Select(caller => caller.Socket)];
        Socket.Select(readable, null, null, Look);
        foreach (Caller caller in _callers.ToArray())
        {
            if (readable.Contains(caller.Socket))
            {
                Read(caller);
            }
            else if (time.GetElapsedTime(caller.Since) >= PreambleLimit)
            {
                Refuse(caller);
            }
        }

        if (readable.Contains(listener))
        {
            Admit();
        }
    }

    private void Admit()
    {
        try
        {
            _callers.Add(new Caller(listener.Accept(), time.GetTimestamp()));
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionAborted)
        {
            // Gone before it was taken.
            return;
        }

        if (_callers.Count > CallersMax)
        {
            Refuse(_callers[0]);
        }
    }

    /// <summary>Takes no byte behind the preamble: those are the link's.</summary>
    private void Read(Caller caller)
    {
        try
        {
            int got = caller.Socket.Receive(caller.Preamble, caller.Got, MigrationLink.PreambleSize - caller.Got,
                SocketFlags.None);
            caller.Got += got;
            if (got == 0 || !MigrationLink.IsBeginOfPreamble(caller.Preamble.AsSpan(0, caller.Got)))
            {
                Refuse(caller);
                return;
            }
        }
        catch (SocketException)
        {
            Refuse(caller);
            return;
        }

        if (caller.Got == MigrationLink.PreambleSize)
        {
            Choose(caller);
        }
    }

    private void Choose(Caller caller)
    {
        switch (caller.Preamble[^1])
        {
            case MigrationLink.PlainControl or MigrationLink.ColoControl:
                _control?.Dispose();
                _control = caller.Socket;
                _isColo = caller.Preamble[^1] == MigrationLink.ColoControl;
                break;
            case MigrationLink.Pages:
                _pages?.Dispose();
                _pages = caller.Socket;
                break;
            default:
                Refuse(caller);
                return;
        }

        _callers.Remove(caller);
    }

    private void Refuse(Caller caller)
    {
        _callers.Remove(caller);
        caller.Socket.Dispose();
        refused();
    }

    private sealed class Caller(Socket socket, long since)
    {
        public Socket Socket => socket;

        public long Since => since;

        public byte[] Preamble { get; } = new byte[MigrationLink.PreambleSize];

        public int Got { get; set; }
    }
}
