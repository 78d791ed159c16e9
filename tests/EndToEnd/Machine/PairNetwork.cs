namespace Colo.EndToEnd.Machine;

/// <summary>
/// A namespace with a bridge on which a client and the cards of two machines are, as on one LAN: the client is the
/// host address of <see cref="NetworkNamespace"/>, the machines have a TAP each. Between the machines there is the
/// loopback interface, with an address for each side.
/// </summary>
internal sealed class PairNetwork : IDisposable
{
    public const string FirstTap = NetworkNamespace.TapName;
    public const string SecondTap = "tap1";

    public PairNetwork() => Namespace.Run(() =>
    {
        NetworkNamespace.Ip("link add br0 type bridge");
        NetworkNamespace.Ip($"tuntap add {SecondTap} mode tap");
        NetworkNamespace.Ip($"addr del {NetworkNamespace.HostAddress}/24 dev {FirstTap}");
        NetworkNamespace.Ip($"link set {FirstTap} master br0");
        NetworkNamespace.Ip($"link set {SecondTap} master br0");
        NetworkNamespace.Ip($"link set {SecondTap} up");
        NetworkNamespace.Ip($"addr add {NetworkNamespace.HostAddress}/24 dev br0");
        NetworkNamespace.Ip("link set br0 up");
    });

    public NetworkNamespace Namespace { get; } = new();

    public void Dispose() => Namespace.Dispose();
}
