using System.Runtime.CompilerServices;
using Akka.Actor;
using Akka.Dispatch.MessageQueues;
using Akka.TestKit.Xunit2;

namespace Colo.Akka.Tests.EmbeddedOnly;

public sealed class EngineMemoryTests : TestKit
{
    private const int Rounds = 20;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public EngineMemoryTests()
        : base("akka.test-pinned.type = PinnedDispatcher")
    {
    }

    [Fact]
    public void A_reference_to_a_stopped_actor_keeps_neither_the_actor_nor_its_messages()
    {
        var (reference, instance, message) = StartTellStop();
        AwaitAssert(
            () =>
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
                GC.Collect();
                Assert.False(instance.TryGetTarget(out _));
                Assert.False(message.TryGetTarget(out _));
            },
            Limit);
        GC.KeepAlive(reference);
    }

    [Fact]
    public void Telling_allocates_nothing_once_the_queue_has_its_size()
    {
        var queue = new UnboundedMessageQueue();
        var message = new object();
        Fill(queue, message, 64);
        Assert.Equal(0, LeastAllocated(() =>
        {
            for (var i = 0; i < 1_000; i++)
            {
                Fill(queue, message, 64);
            }
        }));
    }

    [Fact]
    public void A_local_tell_allocates_nothing_beyond_the_queue()
    {
        using var entered = new SemaphoreSlim(0);
        using var go = new SemaphoreSlim(0);
        var actor = Sys.ActorOf(Props.Create(() => new Gatekeeper(entered, go)).WithDispatcher("akka.test-pinned"));
        var message = new object();

        // The first rounds give the queue its size; a pinned thread holds the mailbox while this thread tells.
        var least = long.MaxValue;
        for (var round = 0; round < Rounds && least > 0; round++)
        {
            actor.Tell(Gatekeeper.Wait, ActorRefs.NoSender);
            Assert.True(entered.Wait(Limit));
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 1_000; i++)
            {
                actor.Tell(message, ActorRefs.NoSender);
            }

            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
            go.Release();
            actor.Tell(Gatekeeper.Wait, ActorRefs.NoSender);
            Assert.True(entered.Wait(Limit));
            go.Release();
        }

        Assert.Equal(0, least);
    }

    /// <summary>The ring that the consumer has just seen empty is filled, closed and followed by a larger one before it
    /// looks for the next: that takes many attempts to happen.</summary>
    [Fact]
    public void A_queue_that_grows_while_it_is_seen_empty_loses_nothing()
    {
        const int rounds = 250_000, messages = 10;
        UnboundedMessageQueue queue = null!;
        int given = 0, taken = 0, missing = 0;
        var consumer = new Thread(() =>
        {
            for (var round = 1; round <= rounds; round++)
            {
                Await(() => Math.Abs(Volatile.Read(ref given)) >= round);

                // Its last message has been put in when the number is no longer negative.
                var mine = Volatile.Read(ref queue);
                var got = 0;
                bool isWhole, found;
                do
                {
                    isWhole = Volatile.Read(ref given) == round;
                    found = mine.TryDequeue(out _);
                    got += found ? 1 : 0;
                }
                while (found || !isWhole);
                missing += messages - got;
                Volatile.Write(ref taken, round);
            }
        });
        consumer.Start();
        var message = new object();
        for (var round = 1; round <= rounds; round++)
        {
            var next = new UnboundedMessageQueue();
            next.Enqueue(message, ActorRefs.NoSender);
            Volatile.Write(ref queue, next);
            Volatile.Write(ref given, -round);
            Thread.SpinWait(round % 60);
            for (var i = 1; i < messages; i++)
            {
                next.Enqueue(message, ActorRefs.NoSender);
            }

            Volatile.Write(ref given, round);
            Await(() => Volatile.Read(ref taken) == round);
        }

        consumer.Join();
        Assert.Equal(0, missing);

        static void Await(Func<bool> condition)
        {
            var spinner = default(SpinWait);
            while (!condition())
            {
                spinner.SpinOnce(sleep1Threshold: -1);
            }
        }
    }

    [Fact]
    public void The_queue_keeps_order_over_its_rings_under_many_producers()
    {
        const int producers = 4, each = 50_000;
        var queue = new UnboundedMessageQueue();
        var next = new int[producers];
        var produce = Enumerable.Range(0, producers).Select(p => Task.Run(() =>
        {
            for (var i = 0; i < each; i++)
            {
                queue.Enqueue((p, i), ActorRefs.NoSender);
            }
        })).ToArray();
        for (var taken = 0; taken < producers * each;)
        {
            if (queue.TryDequeue(out var envelope))
            {
                var (producer, number) = ((int, int))envelope.Message;
                Assert.Equal(next[producer]++, number);
                taken++;
            }
        }

        Task.WaitAll(produce);
        Assert.False(queue.HasMessages);
        Assert.Equal(0, queue.Count);
    }

    [Fact]
    public async Task An_answered_ask_leaves_nothing_behind()
    {
        var echo = Sys.ActorOf(Props.Create(() => new PathReader()));
        for (var i = 0; i < 100; i++)
        {
            await echo.Ask<string>("x", Limit);
        }

        var wheel = (HashedWheelTimerScheduler)Sys.Scheduler;
        var provider = (LocalActorRefProvider)((ExtendedActorSystem)Sys).Provider;
        Assert.Equal(0, provider.TempActorCount);
        Assert.Equal(0, wheel.WaitingCount);
    }

    /// <summary>Bytes of the round that allocated least. What allocates with each message does so in every round; what
    /// the runtime does once (a method compiled anew, a cache filled) is in some and must not decide.</summary>
    private static long LeastAllocated(Action round)
    {
        var least = long.MaxValue;
        for (var i = 0; i < Rounds && least > 0; i++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            round();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }

    private static void Fill(UnboundedMessageQueue queue, object message, int count)
    {
        for (var i = 0; i < count; i++)
        {
            queue.Enqueue(message, ActorRefs.NoSender);
        }

        while (queue.TryDequeue(out _))
        {
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private (IActorRef Reference, WeakReference<object> Instance, WeakReference<object> Message) StartTellStop()
    {
        var born = new List<WeakReference<object>>();
        var actor = Sys.ActorOf(Props.Create(() => new Remembering(born)));
        var message = new object();
        actor.Tell(message);
        Watch(actor);
        actor.Tell(PoisonPill.Instance);
        ExpectTerminated(actor, Limit);
        return (actor, born[0], new WeakReference<object>(message));
    }

    private sealed class Remembering : UntypedActor
    {
        private readonly List<object> _all = [];

        public Remembering(List<WeakReference<object>> born) => born.Add(new WeakReference<object>(this));

        protected override void OnReceive(object message) => _all.Add(message);
    }

    private sealed class PathReader : UntypedActor
    {
        // Reading the path is what gives the asking side a place below /temp.
        protected override void OnReceive(object message) => Sender.Tell(Sender.Path.ToString());
    }

    /// <summary>Holds its thread at the gate when told to.</summary>
    private sealed class Gatekeeper(SemaphoreSlim entered, SemaphoreSlim go) : UntypedActor
    {
        internal static readonly object Wait = new();

        protected override void OnReceive(object message)
        {
            if (ReferenceEquals(message, Wait))
            {
                entered.Release();
                go.Wait(Limit);
            }
        }
    }
}
