/* Bare-metal test programs in M-mode, HTIF convention: tohost = 1 passes, 2n+1 means case n failed. */
#define MSTATUS 0x300
#define PASS j pass
#define CASE(n) li gp, n
#define EXPECT(reg, value) li t6, value; bne reg, t6, fail
#define EXPECT_TRAP(cause) li t6, cause; bne s10, t6, fail
/* Runs the next instruction expecting it may trap; s10 = cause or -1, s11 = tval. */
#define TRY(...) li s10, -1; __VA_ARGS__
#define PTE(pa, flags) (((pa) >> 12 << 10) | (flags))
/* QEMU 7.2 reports a misaligned AMO as a load; Privileged 3.1.15 says store/AMO. */
#ifdef ORACLE_QEMU_7
#define AMO_MISALIGNED 4
#else
#define AMO_MISALIGNED 6
#endif
#define V 1
#define R 2
#define W 4
#define X 8
#define U 16
#define G 32
#define A 64
#define D 128

    .option norvc
    .section .text.start, "ax"
    .globl _start
_start:
    la sp, stack_top
    la t0, trap
    csrw mtvec, t0
    li t0, 0x6000
    csrs mstatus, t0
    li gp, 0
    j main

/* The handler notes cause and value, then goes on behind the instruction in M-mode with MIE off, or at s9 if that is not zero. */
    .balign 4
trap:
    csrr s10, mcause
    csrr s11, mtval
    csrr s8, mepc
    csrr s7, mstatus
    bnez s9, 1f
    addi s9, s8, 4
1:  csrw mepc, s9
    li s9, 0
    li t6, 0x1800
    csrs mstatus, t6
    li t6, 0x80
    csrc mstatus, t6
    mret

/* jal ra, tosuper: goes on in S-mode. */
tosuper:
    csrw mepc, ra
    li t6, 0x1800
    csrc mstatus, t6
    li t6, 0x800
    csrs mstatus, t6
    mret

pass:
    li gp, 0
fail:
    slli gp, gp, 1
    ori gp, gp, 1
#ifdef ORACLE_QEMU_7
    /* QEMU's spike board, which has HTIF, has no time CSR; its virt board ends by SiFive's test device. */
    srli gp, gp, 1
    slli gp, gp, 16
    li t6, 0x3333
    add gp, gp, t6
    li t6, 0x100000
    sw gp, 0(t6)
#else
    la t6, tohost
    sd gp, 0(t6)
#endif
1:  j 1b

#include "../htif.h"
    .section .bss
    .balign 16
    .space 4096
stack_top:
    .text
