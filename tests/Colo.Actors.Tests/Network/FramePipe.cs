using System.IO.Pipes;
using Colo.Vmm.Links;

namespace Colo.Actors.Tests.Network;

/// <summary>A link of tagged frames between a test and a network, one way.</summary>
internal sealed class FramePipe : IDisposable
{
    private readonly AnonymousPipeServerStream near = new(PipeDirection.Out);
    private readonly AnonymousPipeClientStream far;

    public FramePipe()
    {
        far = new AnonymousPipeClientStream(PipeDirection.In, near.ClientSafePipeHandle);
        Writer = new TaggedFrameWriter(near, 1 << 20, _ => { });
    }

    public TaggedFrameWriter Writer { get; }

    /// <summary>For a network that is to read what the test writes.</summary>
    public Stream Reader => far;

    /// <summary>For a network that is to write what the test reads.</summary>
    public Stream Near => near;

    /// <summary>The link ends; the network's end is closed by whoever reads it.</summary>
    public void Dispose()
    {
        Writer.Dispose();
        near.Dispose();
    }
}
