#include "test.h"
/* Long loops in S-mode with what compiled code must survive in their middle: page faults that map a page and take another
   away, functions that are rewritten through another mapping, remapping of the function's own page. A generator in s0
   decides; the sum in s1 folds in every value read, and is the same whatever executes it. M-mode keeps the page tables. */
#ifndef SEED
#define SEED 1
#endif
#define VA 0x40000000
#define FUNC 0x40100000
main:
    li t0, -1; csrw pmpaddr0, t0; li t0, 0x1f; csrw pmpcfg0, t0
    la s2, root
    li t0, PTE(0x80000000, V|R|W|X|A|D); sd t0, 16(s2)
    la t0, mid; srli t0, t0, 2; ori t0, t0, V; sd t0, 8(s2)
    la s3, mid
    la t0, low; srli t0, t0, 2; ori t0, t0, V; sd t0, 0(s3)
    la s4, low
    la t0, fone; srli t0, t0, 2; ori t0, t0, V|R|X; li t1, 256 * 8; add t1, t1, s4; sd t0, 0(t1)
    la t0, root; srli t0, t0, 12; li t1, 8 << 60; or t0, t0, t1; csrw satp, t0
    la t0, handler; csrw mtvec, t0
    la t0, save; csrw mscratch, t0
    sfence.vma
    li s0, SEED * 0x9e3779b9
    li s1, 0
    li s6, 0                       /* faults */
    li t0, 0x1800; csrc mstatus, t0; li t0, 0x800; csrs mstatus, t0
    la t0, 1f; csrw mepc, t0; mret
1:  li s5, 3000
outer:
    /* A loop of stores and loads over 16 pages of which 4 are mapped at any time. */
    li s7, 24
inner:
    li t0, 6364136223846793005; mul s0, s0, t0; addi s0, s0, 1013
    srli t1, s0, 40; li t2, 0xfff8; and t1, t1, t2
    li t2, VA; add t1, t1, t2
    ld t3, 0(t1)
    xor s1, s1, t3
    slli t4, s1, 7; srli t5, s1, 57; or s1, t4, t5
    sd s0, 0(t1)
    lw t3, 4(t1)
    add s1, s1, t3
    sb s1, 3(t1)
    addi s7, s7, -1
    bnez s7, inner
    /* The function through its mapping: adds what its present code says. */
    mv a0, s1
    li t0, FUNC; jalr t0
    mv s1, a0
    andi t0, s0, 0x70
    bnez t0, 2f
    /* Rewrite it: addi a0, a0, (s0 >> 20 & 0x3ff), through the identity mapping. */
    srli t1, s0, 20; andi t1, t1, 0x3ff; slli t1, t1, 20; li t2, 0x00050513; or t1, t1, t2
    la t2, fone; sw t1, 0(t2)
    fence.i
2:  andi t0, s0, 0x380
    bnez t0, 3f
    /* Let the mapping show the other function from now on, or the first again. */
    li t1, 256 * 8; add t1, t1, s4; ld t2, 0(t1)
    la t3, fone; la t4, ftwo; xor t3, t3, t4; srli t3, t3, 2; xor t2, t2, t3; sd t2, 0(t1)
    li t1, FUNC; sfence.vma t1
3:  addi s5, s5, -1
    bnez s5, outer
    ecall

    .balign 4
handler:
    csrrw sp, mscratch, sp
    sd t0, 0(sp); sd t1, 8(sp); sd t2, 16(sp); sd t3, 24(sp)
    csrr t0, mcause
    li t1, 9; beq t0, t1, done
    li t1, 13; beq t0, t1, 1f
    li t1, 15; bne t0, t1, bad
1:  /* Map page (va >> 12 & 15) to frame (va >> 12 & 15), unmap the one four faults ago. */
    addi s6, s6, 1
    csrr t0, mtval; srli t0, t0, 12; andi t0, t0, 15
    slli t1, t0, 12; la t2, frames; add t1, t1, t2; srli t1, t1, 2; ori t1, t1, V|R|W
    slli t3, t0, 3; add t3, t3, s4; sd t1, 0(t3)
    la t1, ring; andi t2, s6, 3; slli t2, t2, 3; add t1, t1, t2
    ld t2, 0(t1); sd t3, 0(t1)
    beqz t2, 2f
    beq t2, t3, 2f
    sd zero, 0(t2)
2:  sfence.vma
    ld t0, 0(sp); ld t1, 8(sp); ld t2, 16(sp); ld t3, 24(sp)
    csrrw sp, mscratch, sp
    mret
done:
    la t0, result; sd s1, 0(t0)
    CASE(1); beqz s6, fail
    PASS
bad:
    CASE(2); j fail

    .balign 4096
fone: addi a0, a0, 17
    ret
    .balign 4096
ftwo: xori a0, a0, 0x155
    slli a1, a0, 3
    add a0, a0, a1
    ret
    .balign 4096
    .data
    .balign 4096
root: .space 4096
mid: .space 4096
low: .space 4096
frames: .space 65536
save: .space 64
ring: .space 32
    .globl result
result: .dword 0
