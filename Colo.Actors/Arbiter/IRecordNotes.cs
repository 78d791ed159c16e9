namespace Colo.Actors.Arbiter;

/// <summary>An arbiter that keeps this host's own note of the record, because there is no other place for it.</summary>
public interface IRecordNotes
{
    void Note(ArbiterRecord record);
}
