using System.Security.Cryptography;
using System.Text;
using Colo.Vmm.Cpu;
using Colo.Vmm.Machine;

namespace Colo.EndToEnd.Machine;

/// <summary>
/// What a package manager and a build do, in Debian, in each tier: many short processes, text made and sorted, archives
/// packed, unpacked, compressed and summed. The image has no compiler; awk and the shell stand in for it.
/// </summary>
[Trait("Category", "e2e")]
[Trait("Group", "guest")]
public sealed class GuestWorkTests
{
    private const int Lines = 20_000;
    private const int Modulus = 20_011;
    private const int Factor = 7919;

    [Theory]
    [InlineData(CodeTierMode.Interpreter)]
    [InlineData(CodeTierMode.Auto)]
    public void Programs_in_debian_give_the_right_bytes_in_each_tier(CodeTierMode tier)
    {
        var console = new ConsoleRecorder();
        using var machine = new VirtMachine(DebianGuest.Options(console, network: null) with { Hart = new HartOptions { Tier = tier } });
        machine.Start();
        console.WaitFor("login:", DebianGuest.BootLimit);
        console.Type("root\n");
        console.WaitFor("# ", DebianGuest.BootLimit);
        console.Type($"cd /tmp; awk 'BEGIN{{for(i=0;i<{Lines};i++)print i*{Factor}%{Modulus},i}}' >a; sort -n a >b\n");
        console.Type("mkdir x; for i in $(seq 40); do /bin/busybox sh -c \"echo $i >x/$i\"; done; cat $(ls x/* | sort -V) >n\n");
        // The quotes keep what is typed, and echoed, apart from what is printed.
        console.Type("tar c b n | gzip >p.tgz; mkdir u; tar xzf p.tgz -C u; cat u/b u/n | sha256sum | sed 's/^/wo''rk: /'\n");
        console.WaitFor($"work: {ExpectedSum()}", DebianGuest.BootLimit);
    }

    private static string ExpectedSum()
    {
        StringBuilder text = new();
        foreach (int i in Enumerable.Range(0, Lines).OrderBy(i => (long)i * Factor % Modulus))
        {
            text.Append((long)i * Factor % Modulus).Append(' ').Append(i).Append('\n');
        }

        for (int i = 1; i <= 40; i++)
        {
            text.Append(i).Append('\n');
        }

        return Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(text.ToString())));
    }
}
