using System.Globalization;
using System.Net.Sockets;
using System.Text.Json;
using Colo.Actors.Protocol;
using Colo.Vmm.Qemu;
using CheckpointReason = Colo.Actors.Checkpoint.CheckpointReason;

namespace Colo.Actors.Vm.Qemu;

/// <summary>Colo's comparer for all cards of a primary that QEMU runs, from the first filter until this host owns the
/// guest alone again, or has lost it.</summary>
internal sealed class QemuComparer : IDisposable
{
    private readonly QemuVmOptions options;
    private readonly Action<Message> report;
    private readonly List<QemuCompareCard> cards = [];
    private readonly ITimer ticker;
    private volatile bool isConnected;
    private Task proof = Task.CompletedTask;
    private Task ended = Task.CompletedTask;

    public QemuComparer(QemuVmOptions options, Action<Message> report)
    {
        this.options = options;
        this.report = report;
        TimeSpan tick = options.Comparer.CompareTimeout / 4;
        ticker = options.Time.CreateTimer(_ => Tick(), null, tick, tick);
    }

    public bool Comparing
    {
        set => cards.ForEach(card => card.Comparing = value);
    }

    /// <summary>Connects to the redirectors of each card and to the secondary's node.</summary>
    /// <exception cref="IOException">One of them does not answer.</exception>
    public async Task ConnectAsync(QemuSession session, bool comparing)
    {
        for (int nic = 0; nic < options.Guest.Nics.Count; nic++)
        {
            bool header = options.Guest.Nics[nic].HasVirtioHeader;
            string name = string.Create(
                CultureInfo.InvariantCulture, $"{options.Vm.Name}-nic{nic}-t{session.Term.Value}");
            string folder = options.CaptureFolder;
            string capture = folder.Length == 0 ? string.Empty : Path.Combine(folder, name);
            try
            {
                cards.Add(new QemuCompareCard(
                    QemuRelay.Connect(options.Folder.Channel(QemuNames.FromGuest(nic))),
                    QemuRelay.Connect(options.Folder.Channel(QemuNames.ToLan(nic))), header, options.Comparer, capture,
                    options.Time, Want)
                {
                    Comparing = comparing,
                    CaptureEnded = text => options.Log($"{options.Vm}: {text}"),
                });
            }
            catch (Exception problem) when (problem is SocketException or UnauthorizedAccessException)
            {
                throw new IOException($"the sockets or captures of card {nic}: {problem.Message}", problem);
            }

            await session.HearAsync(nic, header, cards[nic]).ConfigureAwait(false);
        }

        isConnected = true;
    }

    /// <summary>A checkpoint is about to be asked for.</summary>
    public async Task BeginCheckpointAsync()
    {
        await ended.ConfigureAwait(false);
        cards.ForEach(card => card.BeginCheckpoint());
    }

    /// <summary>QEMU has reported that the guest stands. It is asked whether it still does: if so, whatever the guest
    /// had said when it was asked belongs to the state that is being taken.</summary>
    public void Stopped(Func<Task<JsonElement>> queryStatus)
    {
        long[] said = [.. cards.Select(card => card.CountSaid())];
        proof = ProveAsync(said, queryStatus);
    }

    /// <summary>The guest runs on after a checkpoint. The answer to the question above has come before.</summary>
    public void Resumed()
    {
        Task asked = proof;
        ended = EndAsync();

        async Task EndAsync()
        {
            await asked.ConfigureAwait(false);
            cards.ForEach(card => card.EndCheckpoint());
        }
    }

    public Task GoSoloAsync() => Task.WhenAll(cards.Select(card => card.GoSoloAsync()));

    public VmGauges AddTo(VmGauges gauges) => cards.Aggregate(gauges, (sum, card) => card.AddTo(sum));

    public void Dispose()
    {
        ticker.Dispose();
        cards.ForEach(card => card.Dispose());
    }

    private void Tick()
    {
        if (isConnected)
        {
            cards.ForEach(card => card.Tick());
        }
    }

    private async Task ProveAsync(long[] said, Func<Task<JsonElement>> queryStatus)
    {
        try
        {
            JsonElement status = await queryStatus().ConfigureAwait(false);
            if (status.GetProperty("running").ValueKind == JsonValueKind.False)
            {
                for (int nic = 0; nic < said.Length; nic++)
                {
                    cards[nic].ProveSaidBefore(said[nic]);
                }
            }
        }
        catch (Exception problem) when (problem is QmpException or KeyNotFoundException or InvalidOperationException)
        {
            // No proof: what was said meanwhile waits for the next checkpoint.
        }
    }

    private void Want(Colo.Vmm.Net.CheckpointReason reason) => report(new Checkpoint.CheckpointTrigger(reason switch
    {
        Colo.Vmm.Net.CheckpointReason.Timeout => CheckpointReason.CompareTimeout,
        Colo.Vmm.Net.CheckpointReason.Overflow => CheckpointReason.QueueFull,
        Colo.Vmm.Net.CheckpointReason.Abandoned => CheckpointReason.Retry,
        _ => CheckpointReason.Mismatch,
    }));
}
