using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Colo.Actors.Protocol;

namespace Colo.Actors.Arbiter;

/// <summary>
/// The record as text, for files and etcd: one "name value" a line, in this order, and a checksum of all lines before
/// it.
/// <code>
/// colo-arbiter 1
/// vm NAME (percent-encoded)
/// term N
/// primary HOST#INCARNATION
/// secondary HOST#INCARNATION or -
/// off 0 or 1
/// sum SHA-256, 64 hexadecimal digits
/// </code>
/// </summary>
public static class ArbiterRecordText
{
    /// <summary>Longer input is refused unread.</summary>
    public const int LengthMax = 4096;

    private const string Magic = "colo-arbiter 1";

    public static string Encode(ArbiterRecord record)
    {
        string body = string.Create(CultureInfo.InvariantCulture,
            $"{Magic}\nvm {Uri.EscapeDataString(record.Vm.Name)}\nterm {record.Term.Value}\nprimary {record.Primary}\n"
            + $"secondary {(record.Secondary is { } secondary ? secondary.ToString() : "-")}\noff {(record.PoweredOff ? 1 : 0)}\n");
        return body + "sum " + Sum(body) + "\n";
    }

    /// <summary>Null when the text is not exactly one undamaged record.</summary>
    public static ArbiterRecord? Decode(string text)
    {
        if (text.Length > LengthMax)
        {
            return null;
        }

        string[] lines = text.Split('\n');
        int sumAt = text.LastIndexOf("sum ", StringComparison.Ordinal);
        if (lines.Length != 8 || lines[0] != Magic || lines[7].Length != 0 || sumAt < 0 || lines[6] != "sum " + Sum(text[..sumAt]))
        {
            return null;
        }

        bool plain = TryField(lines[1], "vm ", out string vm) & TryField(lines[2], "term ", out string term)
            & TryField(lines[3], "primary ", out string primary) & TryField(lines[4], "secondary ", out string secondary)
            & TryField(lines[5], "off ", out string off);
        if (!plain || !long.TryParse(term, NumberStyles.None, CultureInfo.InvariantCulture, out long number) || number < 1
            || !HostIdentity.TryParse(primary, out HostIdentity first) || off is not ("0" or "1"))
        {
            return null;
        }

        HostIdentity? second = null;
        if (secondary != "-")
        {
            if (!HostIdentity.TryParse(secondary, out HostIdentity parsed))
            {
                return null;
            }

            second = parsed;
        }

        return new ArbiterRecord(new VmId(Uri.UnescapeDataString(vm)), new Term(number), first, second, off == "1");
    }

    private static bool TryField(string line, string name, out string value)
    {
        bool found = line.StartsWith(name, StringComparison.Ordinal);
        value = found ? line[name.Length..] : string.Empty;
        return found;
    }

    private static string Sum(string body) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(body)));
}
