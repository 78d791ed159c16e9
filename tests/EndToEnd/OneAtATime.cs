// Guests, clusters and real clients share the cores of one machine: two of these tests beside each other would only
// make each other late.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
