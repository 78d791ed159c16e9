namespace Colo.Vmm.Machine;

/// <summary>What the execution tiers of all harts have done. Counters only rise while the machine lives.</summary>
/// <param name="Regions">Regions compiled and installed.</param>
/// <param name="Evicted">Regions dropped to make room.</param>
/// <param name="Dropped">Regions dropped because their code changed.</param>
/// <param name="DecodedEvictions">Times that the oldest decoded code was given up to make room.</param>
/// <param name="CompiledInstructions">Guest instructions retired in compiled code.</param>
/// <param name="CompiledTime">Time spent in compiled code, estimated from one entry in 256.</param>
/// <param name="InterpretedTime">Time spent executing otherwise: the interpreter, slow paths, devices.</param>
/// <param name="Chained">Times that a region went on in another one by itself.</param>
/// <param name="Exits">Times that compiled code was left, by reason.</param>
public sealed record TierStatistics(
    long Regions,
    long Evicted,
    long Dropped,
    long DecodedEvictions,
    long CompiledInstructions,
    TimeSpan CompiledTime,
    TimeSpan InterpretedTime,
    long Chained,
    IReadOnlyDictionary<string, long> Exits);
