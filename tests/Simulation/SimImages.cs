using Colo.Actors.Checkpoint;
using Colo.Actors.Checkpoint.Secondary;
using Colo.Actors.Protocol;

namespace Colo.Simulation;

/// <summary>A captured image: the guest as it stood, with what the oracle wants to know about that moment.</summary>
public sealed record SimImage(long Epoch, IGuestImage Guest, ulong[] Disk);

/// <summary>
/// Checkpoints of one VM on one host: the image that was captured and is sent, the image that arrives part by part and
/// is loaded. The production counterparts are the checkpoint's sender and receiver.
/// </summary>
public sealed class SimImages(SimVm vm, SimWorld world)
{
    private const int ImageParts = 4;

    private long _staging = -1;
    private int _parts;
    private bool _broken;
    private bool _peerHasImage;

    /// <summary>Names the capture that was asked for last; 0 for none.</summary>
    public long CaptureToken { get; set; }

    public SimImage? Captured { get; set; }

    public SimImage? Staged { get; private set; }

    /// <summary>A connection of two hosts begins: what the other has is not known.</summary>
    public void Connected() => _peerHasImage = false;

    public void Acknowledged(SimImage image)
    {
        _peerHasImage = true;
        vm.Guest?.Acknowledged(image.Epoch);
    }

    public void Stage(long epoch) => (_staging, _parts, _broken, Staged) = (epoch, 0, false, null);

    public void DiscardStaged() => (_staging, Staged) = (-1, null);

    public void Clear() => (Captured, Staged, _staging, CaptureToken) = (null, null, -1, 0);

    public void Capture(Effect.CaptureState capture)
    {
        vm.IsPaused = true;
        Captured = null;
        long token = capture.Epoch.Value;
        CaptureToken = token;
        if (world.Mutant == Mutant.M1)
        {
            vm.Gate.Acknowledge(capture.Epoch);
            vm.Traffic.Reconsider();
        }

        vm.After(vm.Noise.LogBetween(100, 2_000), () => Take(capture, token));
    }

    private void Take(Effect.CaptureState capture, long token)
    {
        if (CaptureToken != token || vm.Guest is not { } guest)
        {
            return;
        }

        if (vm.Storage.HasPending)
        {
            vm.After(200, () => Take(capture, token)); // a machine stands when its disk requests are finished
            return;
        }

        if (guest.HasEnded && world.Mutant != Mutant.EndToldOnce)
        {
            vm.Deliver(new CaptureFailed(capture.Epoch, "the guest has ended"));
            return;
        }

        vm.Storage.Captured();
        Captured = new SimImage(token, guest.Capture(token, full: !_peerHasImage), vm.Disk.Snapshot());
        world.Oracle.OnCapture(vm, Captured);
        vm.Tag = token;
        vm.Traffic.IsMirroring = true;
        vm.Connection?.Send(
            vm.Place, ReplicationChannel.Disk, peer => peer.Deliver(new DiskBarrierReached(capture.Epoch)));
        if (capture.ResumeAfter)
        {
            vm.Resume();
        }

        vm.Deliver(new StateCaptured(capture.Epoch, Captured.Guest.PageCount, 100, TimeSpan.FromMilliseconds(1)));
    }

    public void SendImage(long epoch)
    {
        if (Captured is not { } image || image.Epoch != epoch || vm.Connection is not { } connection)
        {
            return;
        }

        bool corrupt = world.CorruptImages > 0;
        world.CorruptImages -= corrupt ? 1 : 0;
        for (int part = 1; part <= ImageParts; part++)
        {
            int number = part;
            connection.Send(vm.Place, ReplicationChannel.Checkpoint, peer => peer.Images.OnImagePart(image, number, corrupt && number == 2),
                world.Options.ImagePartMicros);
        }

        vm.After(world.Options.ImagePartMicros * ImageParts, () => vm.Deliver(new ImageSent(new Epoch(epoch))));
    }

    public void OnImagePart(SimImage image, int part, bool corrupt)
    {
        if (world.Mutant == Mutant.M19 && vm.Protocol.Secondary.State == SecondaryCheckpointState.Settled && part == ImageParts)
        {
            vm.SetGuest(image.Guest.Load(null));
        }

        if (_staging != image.Epoch)
        {
            return;
        }

        if (world.Mutant == Mutant.M9 && part == 1)
        {
            vm.Disk.DropGenerationsBelow(image.Epoch);
        }

        image.Guest.Take(part, ImageParts);
        if (world.Mutant == Mutant.M11 && vm.Guest is ModelGuest guest && image.Guest is ModelImage model && part == 2)
        {
            foreach ((int key, ulong value) in model.Memory)
            {
                guest.Memory[key] = value;
            }
        }

        _parts++;
        // A machine that has ended runs nothing any more.
        _broken |= corrupt || (vm.Guest?.HasEnded == true && world.Mutant != Mutant.EndToldOnce);
        if (_parts == ImageParts)
        {
            Staged = image;
            vm.Deliver(_broken ? new ImageBroken(new Epoch(image.Epoch), "checksum") : new ImageStaged(new Epoch(image.Epoch)));
        }
    }

    public void Load(long epoch)
    {
        SimImage image = Staged ?? throw new InvariantFailureException("S5", $"load of {epoch} without an image");
        world.Oracle.OnCommit(vm, image);
        vm.After(vm.Noise.LogBetween(200, 4_000), () =>
        {
            if (Staged != image)
            {
                return; // thrown away meanwhile
            }

            vm.SetGuest(image.Guest.Load(vm.Guest));
            vm.Disk.DropGenerationsBelow(epoch);
            vm.Tag = epoch;
            vm.IsPaused = true;
            world.Oracle.OnLoaded(vm, image, vm.Disk);
            vm.Traffic.DeliverQueued(epoch);
            (Staged, _staging) = (null, -1);
            vm.Deliver(new ImageLoaded(new Epoch(epoch)));
        });
    }
}
