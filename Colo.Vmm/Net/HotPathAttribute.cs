namespace Colo.Vmm.Net;

/// <summary>Marks a method that must not allocate in steady state; a test measures it.</summary>
[AttributeUsage(AttributeTargets.Method | AttributeTargets.Class)]
internal sealed class HotPathAttribute : Attribute;
