namespace Colo.Vmm.Net;

/// <summary>Takes an Ethernet frame without its check sequence. The span is valid only during the call.</summary>
public delegate void FrameHandler(ReadOnlySpan<byte> frame);
