/* -DSWITCH: changes between two address spaces, each touched after the change. Otherwise: calls from U-mode, whose handler saves
   and restores all registers as a kernel does. */
typedef unsigned long u64;
#ifndef ROUNDS
#define ROUNDS 1000000
#endif

static u64 root[2][512] __attribute__((aligned(4096)));
static u64 middle[2][512] __attribute__((aligned(4096)));
static u64 leaf[2][512] __attribute__((aligned(4096)));
static volatile u64 frames[2][8][512] __attribute__((aligned(4096)));

#ifdef SWITCH
__attribute__((noinline)) static u64 work(void)
{
    volatile u64 *window = (volatile u64 *)0x40000000;
    u64 sum = 0;
    for (int page = 0; page < 8; page++) {
        sum += window[page * 512 + 3];
        window[page * 512 + 4] = sum;
    }
    for (int i = 0; i < 200; i++)
        sum = sum * 31 + (sum >> 7);
    return sum;
}

static void supervisor(void)
{
    u64 sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        __asm__ volatile("csrw satp, %0; sfence.vma" :: "r"((u64)root[round & 1] >> 12 | 8ul << 60) : "memory");
        sum += work();
    }
    frames[0][0][0] = sum;
    __asm__ volatile("ecall");
}
#else
static void supervisor(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        register u64 a7 __asm__("a7") = 172;
        __asm__ volatile("ecall" : "+r"(a7) :: "a0", "memory");
    }
    register u64 a7 __asm__("a7") = 0;
    __asm__ volatile("ecall" : "+r"(a7) :: "memory");
}
#endif

extern void handler(void);
u64 saved[32], done[14];

__asm__(".balign 4\nhandler: csrrw sp, mscratch, sp\n"
    ".irp r, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n sd x\\r, \\r*8(sp)\n.endr\n"
    "csrr t0, mcause; csrr t1, mepc; csrr t2, mstatus; csrr t3, mtval\n"
    "li t4, 172; bne a7, t4, 1f\n"
    "addi t1, t1, 4; csrw mepc, t1; csrw mstatus, t2; li t5, 4711; sd t5, 80(sp)\n"
    ".irp r, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n ld x\\r, \\r*8(sp)\n.endr\n"
    "csrrw sp, mscratch, sp\n mret\n"
    "1: la t0, done; ld ra, 0(t0); ld sp, 8(t0); ld s0, 16(t0); ld s1, 24(t0); ld s2, 32(t0); ld s3, 40(t0); ld s4, 48(t0)\n"
    "ld s5, 56(t0); ld s6, 64(t0); ld s7, 72(t0); ld s8, 80(t0); ld s9, 88(t0); ld s10, 96(t0); ld s11, 104(t0)\n"
    "li a0, 0; ret\n"
    ".globl enter\nenter: la t0, done; sd ra, 0(t0); sd sp, 8(t0); sd s0, 16(t0); sd s1, 24(t0); sd s2, 32(t0); sd s3, 40(t0)\n"
    "sd s4, 48(t0); sd s5, 56(t0); sd s6, 64(t0); sd s7, 72(t0); sd s8, 80(t0); sd s9, 88(t0); sd s10, 96(t0); sd s11, 104(t0)\n"
    "la t1, handler; csrw mtvec, t1; la t1, saved; csrw mscratch, t1; csrw mepc, a0\n"
    "li t1, 0x1800; csrc mstatus, t1; csrs mstatus, a1; mret\n");

extern int enter(void (*entry)(void), u64 mode);

int main(void)
{
    __asm__ volatile("csrw pmpaddr0, %0; csrw pmpcfg0, %1" :: "r"(-1ul), "r"(0x1ful));
    for (int space = 0; space < 2; space++) {
        root[space][2] = 0x80000000ul >> 12 << 10 | 0xef;
        root[space][1] = (u64)middle[space] >> 12 << 10 | 1;
        middle[space][0] = (u64)leaf[space] >> 12 << 10 | 1;
        for (int page = 0; page < 8; page++)
            leaf[space][page] = (u64)frames[space][page] >> 12 << 10 | 0xc7;
    }
    saved[0] = done[0] = 0;
#ifdef SWITCH
    return enter(supervisor, 0x800);
#else
    return enter(supervisor, 0);
#endif
}
