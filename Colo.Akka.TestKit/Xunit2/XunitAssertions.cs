using Xunit;
using Xunit.Sdk;

namespace Akka.TestKit.Xunit2;

/// <summary>The assertions of xunit.</summary>
public class XunitAssertions : ITestKitAssertions
{
    public void Fail(string format = "", params object[] args) => throw FailException.ForFailure(Format(format, args));

    public void AssertTrue(bool condition, string format = "", params object[] args) =>
        Assert.True(condition, Format(format, args));

    public void AssertFalse(bool condition, string format = "", params object[] args) =>
        Assert.False(condition, Format(format, args));

    public void AssertEqual<T>(T expected, T actual, string format = "", params object[] args)
    {
        if (!EqualityComparer<T>.Default.Equals(expected, actual))
        {
            Fail("{0}Expected: {1}, actual: {2}", Prefix(format, args), expected, actual);
        }
    }

    public void AssertEqual<T>(
        T expected, T actual, Func<T, T, bool> comparer, string format = "", params object[] args)
    {
        if (!comparer(expected, actual))
        {
            Fail("{0}Expected: {1}, actual: {2}", Prefix(format, args), expected, actual);
        }
    }

    private static string Prefix(string format, object[] args) =>
        string.IsNullOrEmpty(format) ? "" : Format(format, args) + " ";

    private static string Format(string format, object[] args) =>
        args.Length == 0 ? format : string.Format(format, args);
}
