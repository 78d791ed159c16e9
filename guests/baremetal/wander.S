/* Runs a random program in S-mode (IMAGE, made by the test) over and over, in pages that are mapped only when they are
   touched: at most eight at a time, and an ecall of the program takes all of them away. So instructions, loads, stores and
   atomics fault in the middle of code that was executed many times, with the program's own pages among what comes and goes,
   while it rewrites some of its instructions. An ebreak ends a round: a sum of the registers is logged. The log and the
   program's pages are the result; on QEMU they leave through the serial port. */
#define V 1
#define R 2
#define W 4
#define X 8
#define A 64
#define D 128
#define VA 0x40000000
#ifndef ROUNDS
#define ROUNDS 400
#endif

    .option norvc
    .section .text.start, "ax"
    .globl _start
_start:
    la t0, handler; csrw mtvec, t0
    la t0, save; csrw mscratch, t0
    li t0, -1; csrw pmpaddr0, t0; li t0, 0x1f; csrw pmpcfg0, t0
    la t0, middle; srli t0, t0, 2; ori t0, t0, V; la t1, root; sd t0, 8(t1)
    la t0, leaf; srli t0, t0, 2; ori t0, t0, V; la t1, middle; sd t0, 0(t1)
    la t0, root; srli t0, t0, 12; li t1, 8 << 60; or t0, t0, t1; csrw satp, t0
    sfence.vma
    li t0, 0x1800; csrc mstatus, t0
    li t0, 0x6800; csrs mstatus, t0
    li t0, VA + 8; csrw mepc, t0
    mret

    .balign 4
handler:
    csrrw sp, mscratch, sp
    sd t0, 0(sp); sd t1, 8(sp); sd t2, 16(sp); sd t3, 24(sp)
    csrr t0, mcause
    li t1, 3; beq t0, t1, round
    li t1, 9; beq t0, t1, forget
    li t1, 12; blt t0, t1, bad
    /* A page fault: map the page, and take away the one that was mapped eight faults ago. */
    csrr t0, mtval; li t1, VA; sub t0, t0, t1; srli t0, t0, 12
    li t1, 16; bgeu t0, t1, bad
    la t1, leaf; slli t2, t0, 3; add t1, t1, t2
    la t2, image; slli t0, t0, 12; add t0, t0, t2; srli t0, t0, 2; ori t0, t0, V|R|W|X|A|D; sd t0, 0(t1)
    la t0, at; ld t2, 0(t0); addi t3, t2, 8; andi t3, t3, 63; sd t3, 0(t0)
    la t0, ring; add t0, t0, t2; ld t2, 0(t0); sd t1, 0(t0)
    beqz t2, back
    beq t2, t1, back
    sd zero, 0(t2)
back:
    sfence.vma
    ld t0, 0(sp); ld t1, 8(sp); ld t2, 16(sp); ld t3, 24(sp)
    csrrw sp, mscratch, sp
    mret

forget:
    csrr t0, mepc; addi t0, t0, 4; csrw mepc, t0
    la t0, leaf; addi t1, t0, 16 * 8
1:  sd zero, 0(t0); addi t0, t0, 8; bltu t0, t1, 1b
    la t0, ring; addi t1, t0, 64
2:  sd zero, 0(t0); addi t0, t0, 8; bltu t0, t1, 2b
    j back

round:
    csrr t3, mscratch; mv t0, sp
    li t1, 0
#define FOLD(r) xor t1, t1, r; slli t2, t1, 9; srli t1, t1, 55; or t1, t1, t2
    FOLD(x1); FOLD(t3); FOLD(x3); FOLD(x4); FOLD(x8); FOLD(x9); FOLD(x10); FOLD(x11); FOLD(x12); FOLD(x13); FOLD(x14)
    FOLD(x15); FOLD(x16); FOLD(x17); FOLD(x18); FOLD(x19); FOLD(x20); FOLD(x21); FOLD(x22); FOLD(x23); FOLD(x24); FOLD(x25)
    FOLD(x26); FOLD(x27); FOLD(x29); FOLD(x30); FOLD(x31)
    ld t3, 0(sp); FOLD(t3); ld t3, 8(sp); FOLD(t3); ld t3, 16(sp); FOLD(t3); ld t3, 24(sp); FOLD(t3)
    csrr t3, fcsr; FOLD(t3)
    la t0, rounds; ld t2, 0(t0); addi t3, t2, 1; sd t3, 0(t0)
    slli t2, t2, 3; la t0, log; add t0, t0, t2; sd t1, 0(t0)
    li t0, ROUNDS; bgeu t3, t0, done
    /* Once more, from the place that the image names. */
    la t0, image; ld t0, 0(t0); csrw mepc, t0
    j back

bad:
    la t1, trouble; sd t0, 0(t1)
done:
    fence
#ifdef ORACLE_QEMU_7
    la t0, result; la t1, result_end; li t2, 0x10000000
1:  lbu t3, 5(t2); andi t3, t3, 0x20; beqz t3, 1b
    lbu t3, 0(t0); sb t3, 0(t2); addi t0, t0, 1; bltu t0, t1, 1b
    li t0, 0x5555; li t1, 0x100000; sw t0, 0(t1)
#else
    li t0, 1; la t1, tohost; sd t0, 0(t1)
#endif
1:  j 1b

#include "../htif.h"
    .data
    .balign 4096
root: .space 4096
middle: .space 4096
leaf: .space 4096
save: .space 64
ring: .space 64
at: .dword 0
rounds: .dword 0
    .balign 4096
    .globl result
    .size result, 8
result:
trouble: .dword 0
log: .space ROUNDS * 8
    .balign 4096
image:
    .incbin IMAGE
    .balign 4096
    .globl result_end
    .size result_end, 8
result_end: .dword 0
