namespace Colo.Host.Cli;

/// <summary>
/// Finds the escape key in what is typed: Ctrl-A x ends the machine, Ctrl-A c shows help, Ctrl-A Ctrl-A (or Ctrl-A a)
/// sends one Ctrl-A. Everything else passes.
/// </summary>
internal sealed class EscapeFilter(Action quit, Action help)
{
    private const byte ControlA = 1;
    private bool _escaped;

    /// <summary>Returns the number of bytes left for the guest, at the start of <paramref name="typed"/>.</summary>
    public int Filter(Span<byte> typed)
    {
        int kept = 0;
        foreach (byte key in typed)
        {
            if (!_escaped)
            {
                _escaped = key == ControlA;
                if (!_escaped)
                {
                    typed[kept++] = key;
                }

                continue;
            }

            _escaped = false;
            switch (key)
            {
                case (byte)'x':
                    quit();
                    break;
                case ControlA or (byte)'a':
                    typed[kept++] = ControlA;
                    break;
                default:
                    help();
                    break;
            }
        }

        return kept;
    }
}
