namespace Akka.TestKit;

/// <summary>A test class whose Tell without sender has none, instead of the test actor.</summary>
public interface INoImplicitSender;
