using Colo.Actors.Protocol;

namespace Colo.Simulation;

/// <summary>The disk of one VM as its guest on one host sees it: with a copy on each host, or one for both.</summary>
public interface ISimStorage
{
    /// <summary>Writes of the guest have not reached the disk yet: what it sends waits for them, and so does a
    /// capture.</summary>
    bool HasPending { get; }

    void Write(int sector, ulong value);

    ulong Read(int sector);

    /// <summary>The guest wants durable what it has written.</summary>
    void Flush();

    /// <summary>A frame of the guest leaves it after the writes before it.</summary>
    void Output(Frame frame);

    void Connected(bool asPrimary);

    void Disconnected();

    /// <summary>This host owns the VM alone.</summary>
    void Own();

    /// <summary>This host is the pair's primary.</summary>
    void OwnInPair();

    /// <summary>A guest is to be booted from what the disk has.</summary>
    void Boot();

    /// <summary>The guest is gone, and what it had not written with it.</summary>
    void Clear();

    /// <summary>The machine stands for the capture of an epoch.</summary>
    void Captured();

    /// <summary>False: the effect is not about the disk.</summary>
    bool TryApply(Effect effect);
}
