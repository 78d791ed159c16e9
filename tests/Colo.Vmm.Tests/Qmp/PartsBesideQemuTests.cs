using Colo.Vmm.Net;
using Colo.Vmm.Tests.Net;

namespace Colo.Vmm.Tests.Qmp;

/// <summary>Character devices and filters of the monitor with a real QEMU's at the other end.</summary>
[Trait("Category", "e2e")]
public sealed class PartsBesideQemuTests : IDisposable
{
    private const int Count = 50;
    private readonly string _folder = Directory.CreateTempSubdirectory("colo-parts").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void QEMUs_mirror_feeds_our_secondary_and_our_redirector_feeds_QEMUs()
    {
        using var rig = new PartsRig(_folder);
        rig.WireSecondary();
        // What goes into left comes out of right; a copy goes to red0, and what red1 brings goes the same way.
        using var qemu = new QemuProcess(directory =>
            string.Concat(((string[])["left", "right"]).Select(n =>
                $"-netdev stream,id={n},server=on,addr.type=unix,addr.path={directory}/{n} "
                + $"-netdev hubport,hubid=0,id=h-{n},netdev={n} "))
            + $"-chardev socket,id=out,path={_folder}/red0 -chardev socket,id=in,path={_folder}/red1 "
            + "-object filter-mirror,id=m0,netdev=left,queue=tx,outdev=out "
            + "-object filter-redirector,id=r0,netdev=left,queue=tx,indev=in");
        rig.WaitForChardev("red0");
        rig.WaitForChardev("red1");
        var right = new PartsRig.Frames();
        using var end = new FrameStreamEndpoint(qemu.Connect("right"));
        end.Start((frame, _) =>
        {
            right.Add(frame);
            return true;
        });
        using var left = new FrameStreamEndpoint(qemu.Connect("left"));
        for (byte i = 0; i < Count; i++)
        {
            left.TrySend(TestFrames.Udp([i, 1]));
            Assert.Equal(TestFrames.Udp([i, 1]), rig.Guest.Wait(i));
            Assert.Equal(TestFrames.Udp([i, 1]), right.Wait(2 * i));
            rig.Card.Send(TestFrames.Udp([i, 2]));
            Assert.Equal(TestFrames.Udp([i, 2]), right.Wait((2 * i) + 1));
        }

        Assert.Equal(0, rig.Network.Count);
    }
}
