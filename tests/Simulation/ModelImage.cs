namespace Colo.Simulation;

/// <summary>An image of the model: a copy of it.</summary>
public sealed class ModelImage(ModelGuest guest) : IGuestImage
{
    private readonly ModelGuest _guest = guest.Clone();

    public IGuestView View => _guest;

    public ulong Digest { get; } = guest.Digest();

    public int PageCount => _guest.Memory.Count;

    public SortedDictionary<int, ulong> Memory => _guest.Memory;

    public void Take(int part, int of)
    {
    }

    public IGuest Load(IGuest? running) => _guest.Clone();
}
