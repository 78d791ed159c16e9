namespace Colo.Simulation;

/// <summary>A guest as it was captured, on its way to another host or there.</summary>
public interface IGuestImage
{
    IGuestView View { get; }

    /// <summary>Digest of the guest at the moment of the capture.</summary>
    ulong Digest { get; }

    /// <summary>Pages that the image carries.</summary>
    int PageCount { get; }

    /// <summary>A part of the image is read out of the guest, which has gone on meanwhile.</summary>
    /// <param name="part">From 1 on.</param>
    /// <param name="of">How many parts there are.</param>
    void Take(int part, int of);

    /// <summary>The guest of this image; the one that runs here may be made into it.</summary>
    IGuest Load(IGuest? running);
}
