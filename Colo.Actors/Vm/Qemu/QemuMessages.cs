using Colo.Actors.Protocol;

namespace Colo.Actors.Vm.Qemu;

/// <summary>What a <see cref="QemuPairCore"/> is told by the backend of its host.</summary>
public interface IQemuPairInput;

/// <summary>Joiner: the secondary QEMU waits for the primary's state, and its images are exported.</summary>
public sealed record QemuTargetReady : Message, IQemuPairInput;

/// <summary>Joiner: the first state is loaded and the replica runs.</summary>
public sealed record QemuReplicaRunning : Message, IQemuPairInput;

/// <summary>Owner: QEMU's own checkpoints run, and everything that the guest answers is held for them or for the
/// comparer.</summary>
public sealed record QemuPairRunning : Message, IQemuPairInput;

/// <summary>Owner: the pair could not be started; the guest runs alone as before.</summary>
public sealed record QemuStartFailed(string Reason) : Message, IQemuPairInput;

/// <summary>QEMU has taken a checkpoint by itself: the guest stood for so long.</summary>
public sealed record QemuCheckpointTaken(TimeSpan Pause) : Message, IQemuPairInput;

/// <summary>Owner: the peer's images are in step but for the last round, after so many bytes.</summary>
public sealed record QemuDisksCopied(long Bytes) : Message, IQemuPairInput;
