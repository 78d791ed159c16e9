namespace Colo.Host.Demo;

/// <summary>One step of a <see cref="LabScenario"/>, as <c>colo lab-test --json</c> writes it.</summary>
/// <param name="Name">What happened to the pair.</param>
/// <param name="Ok">Whether the clients were served rightly all the time, and the pair became whole again.</param>
/// <param name="Seen">What the clients saw, or what went wrong.</param>
/// <param name="Seconds">How long the step took.</param>
public sealed record LabStep(string Name, bool Ok, string Seen, double Seconds);
