/* For machines with an SBI: the work of one hart, or half of it on each of two (-DHARTS=2). With guests/harts/start.S. */
typedef unsigned long u64;
#ifndef HARTS
#define HARTS 1
#endif
#ifndef ROUNDS
#define ROUNDS 144000
#endif

static volatile u64 finished;
static u64 table[2][1024];

static void sbi(u64 extension, u64 function, u64 a, u64 b)
{
    register u64 a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = 0;
    register u64 a6 __asm__("a6") = function, a7 __asm__("a7") = extension;
    __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
}

static void body(u64 hart)
{
    u64 seed = 88172645463325252ul;
    for (u64 round = 0; round < ROUNDS / HARTS; round++)
        for (int i = 0; i < 4096; i++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            table[hart][seed & 1023] += seed;
        }
    __atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
}

void other(u64 hart) { body(hart); }

u64 first(void)
{
    extern char second[];
    if (HARTS > 1) sbi(0x48534d, 0, 1, (u64)second);
    body(0);
    while (finished < HARTS) ;
    return 0;
}
