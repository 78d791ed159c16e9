using System.Net.Sockets;
using Colo.Actors.Vm;
using Colo.Actors.Vm.Qemu;
using Colo.Vmm.Net;

namespace Colo.Actors.Tests.Vm;

/// <summary>Colo's comparer between the redirectors of a QEMU: which frame counts as said before a checkpoint, and
/// which answer of the secondary matches.</summary>
public sealed class QemuCompareCardTests : IDisposable
{
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);
    private readonly string _folder = Directory.CreateTempSubdirectory("colo-cc").FullName;
    private readonly List<CheckpointReason> _wanted = [];
    private readonly Socket _guest;
    private readonly Socket _lan;
    private readonly QemuCompareCard _card;

    public QemuCompareCardTests()
    {
        (_guest, Socket own) = Pair("own");
        (_lan, Socket free) = Pair("free");
        _card = new QemuCompareCard(
            own, free, hasHeader: false, new ComparerOptions { CompareTimeout = TimeSpan.FromHours(1) }, string.Empty,
            TimeProvider.System, _wanted.Add);
        _card.BeginCheckpoint();
        _card.EndCheckpoint();
    }

    private VmGauges Counted => _card.AddTo(new VmGauges());

    [Fact]
    public void An_answer_leaves_when_the_secondary_has_given_it_in_the_same_epoch()
    {
        Say(1);
        Until(() => Counted.FramesHeld == 1);

        _card.FromSecondary(1, Frame(1), 0);

        Assert.Equal(1, Heard());
        _card.BeginCheckpoint();
        _card.EndCheckpoint();
        Say(2);
        Until(() => Counted.FramesHeld == 2);
        _card.FromSecondary(1, Frame(2), 0); // it stood in a socket while the checkpoint was taken
        Assert.Equal(1, Counted.FramesMatched);
        _card.FromSecondary(2, Frame(2), 0);
        Assert.Equal(2, Heard());
        Assert.Equal((2, 0), (Counted.FramesMatched, Counted.FramesCommitted));
    }

    [Fact]
    public void What_was_said_around_a_checkpoint_waits_for_the_next_unless_the_guest_is_known_to_stand()
    {
        Say(1);
        Until(() => Counted.FramesHeld == 1);
        _card.BeginCheckpoint();
        Say(2);
        _card.EndCheckpoint();

        Assert.Equal(1, Heard());
        Until(() => Counted.FramesHeld == 2);
        Assert.Equal(1, Counted.FramesCommitted);

        _card.BeginCheckpoint();
        Say(3);
        _card.ProveSaidBefore(_card.CountSaid());
        _card.EndCheckpoint();
        Assert.Equal((2, 3), (Heard(), Heard()));
        Until(() => Counted.FramesCommitted == 3);
    }

    [Fact]
    public async Task A_difference_asks_once_and_everything_leaves_when_the_host_is_alone()
    {
        Say(1);
        Until(() => Counted.FramesHeld == 1);
        _card.FromSecondary(1, Frame(9), 0);
        Say(2);
        Until(() => Counted.FramesHeld == 2);

        await _card.GoSoloAsync().WaitAsync(Hang);

        Assert.Equal((1, 2), (Heard(), Heard()));
        Say(3);
        Assert.Equal(3, Heard());
        Assert.Equal(3, Counted.FramesSolo);
    }

    public void Dispose()
    {
        _card.Dispose();
        _guest.Dispose();
        _lan.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static void Until(Func<bool> reached) =>
        Assert.True(SpinWait.SpinUntil(reached, Hang), "it did not happen");

    /// <summary>A frame of a protocol that nobody knows, with a number in it.</summary>
    private static byte[] Frame(byte number)
    {
        byte[] frame = new byte[60];
        (frame[12], frame[13]) = (0x88, 0xb5);
        frame.AsSpan(14).Fill(number);
        return frame;
    }

    private void Say(byte number) => _guest.Send([0, 0, 0, 60, .. Frame(number)]);

    private int Heard()
    {
        byte[] whole = new byte[64];
        for (int taken = 0; taken < whole.Length;)
        {
            taken += _lan.Receive(whole, taken, whole.Length - taken, SocketFlags.None);
        }

        return whole[^1];
    }

    private (Socket There, Socket Here) Pair(string name)
    {
        var at = new UnixDomainSocketEndPoint(Path.Combine(_folder, name));
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(at);
        listener.Listen(1);
        var here = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        here.Connect(at);
        Socket there = listener.Accept();
        there.ReceiveTimeout = (int)Hang.TotalMilliseconds;
        return (there, here);
    }
}
