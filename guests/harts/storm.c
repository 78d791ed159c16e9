/* Harts at the same time: atomics, message passing with fences, page-table changes with remote fences, code that one hart
   writes and others run. Every hart counts what must never be seen; the sum is the result. -DENDLESS goes on for ever and
   writes all over a memory area, for tests that stop and copy the machine. */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;
#ifndef HARTS
#define HARTS 8
#endif
#ifndef ROUNDS
#define ROUNDS 2000
#endif

static u64 root[512] __attribute__((aligned(4096)));
static u64 middle[512] __attribute__((aligned(4096)));
static u64 leaf[512] __attribute__((aligned(4096)));
static volatile u64 frames[2][512] __attribute__((aligned(4096)));
static volatile u32 code[1024] __attribute__((aligned(4096)));
static volatile u64 area[256][512] __attribute__((aligned(4096)));
static volatile u64 added, locked_count, exclusive, arrived, finished, generation, version, window_adds;
volatile u64 errors;
static volatile u32 lock;
static volatile u64 left_flag, right_flag, left_saw, right_saw, turn_left, turn_right, both;

static long sbi(u64 extension, u64 function, u64 a, u64 b, u64 c)
{
    register u64 a0 __asm__("a0") = a; register u64 a1 __asm__("a1") = b; register u64 a2 __asm__("a2") = c;
    register u64 a6 __asm__("a6") = function; register u64 a7 __asm__("a7") = extension;
    register u64 a3 __asm__("a3") = 0, a4 __asm__("a4") = 0;
    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a3), "r"(a4), "r"(a6), "r"(a7) : "memory");
    return (long)a0;
}

static u64 add(volatile u64 *p, u64 n) { return __atomic_fetch_add(p, n, __ATOMIC_SEQ_CST); }

/* One byte for each kind of error. */
static void error(u64 kind) { add(&errors, 1ul << 8 * kind); }

static void paging(void)
{
    __asm__ volatile("csrw satp, %0; sfence.vma" :: "r"((u64)root >> 12 | 8ul << 60) : "memory");
}

static void fill(u64 frame)
{
    leaf[0] = (u64)frames[frame] >> 12 << 10 | 0xc7;
}

/* lr/sc by hand: the count must be exact. */
static void exclusive_add(void)
{
    u64 old, failed;
    do __asm__ volatile("lr.d %0, (%2); addi %0, %0, 1; sc.d %1, %0, (%2)" : "=&r"(old), "=&r"(failed) : "r"(&exclusive) : "memory");
    while (failed);
}

static void atomics(u64 hart)
{
    for (u64 i = 0; i < ROUNDS; i++) {
        add(&added, hart + 1);
        exclusive_add();
        while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE)) ;
        u64 seen = locked_count;
        area[hart][i & 511] = i;
        locked_count = seen + 1;
        __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
    }
}

/* Store here, load there, with a full fence between: both harts must not miss the other's store. */
static void store_buffer(u64 hart)
{
    volatile u64 *mine = hart ? &right_flag : &left_flag, *theirs = hart ? &left_flag : &right_flag;
    volatile u64 *saw = hart ? &right_saw : &left_saw, *turn = hart ? &turn_right : &turn_left, *other = hart ? &turn_left : &turn_right;
    for (u64 i = 1; i <= ROUNDS; i++) {
        *mine = i;
        __asm__ volatile("fence rw, rw" ::: "memory");
        *saw = *theirs >= i;
        __asm__ volatile("fence rw, rw" ::: "memory");
        *turn = i;
        while (*other < i) ;
        __asm__ volatile("fence rw, rw" ::: "memory");
        if (!left_saw && !right_saw) error(0);
        add(&both, 1);
        while (both < 2 * i) ;
    }
}

/* Whoever has seen generation g must see at least frame contents g through the window, whatever is in its TLB. */
static void reader(void)
{
    volatile u64 *window = (volatile u64 *)0x40000000;
    u64 adds = 0;
    while (!version) {
        u64 g = __atomic_load_n(&generation, __ATOMIC_ACQUIRE);
        if (*window < g) error(1);
        add(window + 1, 1);
        adds++;
        /* The patch of generation g - 1 was fenced before g was published. */
        if (((u64 (*)(void))code)() + 1 < (g & 1023)) error(2);
    }
    add(&window_adds, adds);
}

static void mapper(void)
{
    for (u64 i = 1; i <= ROUNDS && i < 1000; i++) {
        frames[i & 1][0] = i;
        fill(i & 1);
        sbi(0x52464e43, 1, 0, -1ul, 0);
        u64 settled = frames[~i & 1][1];
        __atomic_store_n(&generation, i, __ATOMIC_RELEASE);
        /* addi a0, zero, i */
        code[0] = (u32)(i & 1023) << 20 | 0x513;
        sbi(0x52464e43, 0, 0, -1ul, 0);
        if (((u64 (*)(void))code)() != (i & 1023)) error(3);
        /* Behind the fence no atomic may reach the frame that the window showed before. */
        if (frames[~i & 1][1] != settled) error(4);
    }
    version = 1;
}

static void wait_for(volatile u64 *count, u64 value)
{
    add(count, 1);
    while (*count < value) ;
}

#ifdef ENDLESS
static void body(u64 hart)
{
    u64 seed = hart + 1;
    wait_for(&arrived, HARTS);
    for (;;) {
        seed = seed * 6364136223846793005ul + 1442695040888963407ul;
        area[seed >> 40 & 255][seed >> 50 & 511] = seed;
        add(&area[seed >> 33 & 255][hart], 1);
    }
}
#else
static void body(u64 hart)
{
    paging();
    wait_for(&arrived, HARTS);
    atomics(hart);
    wait_for(&finished, HARTS);
    if (hart < 2) store_buffer(hart);
    wait_for(&finished, 2 * HARTS);
    if (hart == 0) mapper(); else reader();
    wait_for(&finished, 3 * HARTS);
    if (hart == 0 && frames[0][1] + frames[1][1] != window_adds) error(5);
}
#endif

void other(u64 hart) { body(hart); }

u64 first(void)
{
    extern char second[];
    middle[0] = (u64)leaf >> 12 << 10 | 1;
    root[1] = (u64)middle >> 12 << 10 | 1;
    root[2] = 0x80000000ul >> 12 << 10 | 0xcf;
    code[0] = 0x513;
    code[1] = 0x8067;
    fill(0);
    for (u64 hart = 1; hart < HARTS; hart++)
        if (sbi(0x48534d, 0, hart, (u64)second, 0)) error(4);
    body(0);
    if (added != ROUNDS * (HARTS * (HARTS + 1) / 2)) error(5);
    if (exclusive != ROUNDS * HARTS) error(6);
    if (locked_count != ROUNDS * HARTS) error(7);
    return errors;
}
