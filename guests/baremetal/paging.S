#include "test.h"
/* Sv39: permissions, A and D, superpages, SUM, MXR, MPRV, sfence.vma. Page tables at root, mid, low. */
#define VA 0x40000000
main:
    li t0, -1; csrw pmpaddr0, t0; li t0, 0x1f; csrw pmpcfg0, t0
    /* root[2]: identity gigapage for 0x80000000; root[1] -> mid; mid[0] -> low; mid[1]: 2 MiB page. */
    la s0, root
    li t0, PTE(0x80000000, V|R|W|X|A|D); sd t0, 16(s0)
    la t0, mid; srli t0, t0, 2; ori t0, t0, V; sd t0, 8(s0)
    la s1, mid
    la t0, low; srli t0, t0, 2; ori t0, t0, V; sd t0, 0(s1)
    li t0, PTE(0x80000000, V|R|W|A|D); sd t0, 8(s1)
    la s2, low
    la s3, page
    srli s4, s3, 2                /* PTE of the test page without flags */
    csrr t0, satp
    la t0, root; srli t0, t0, 12; li t1, 8 << 60; or t0, t0, t1; csrw satp, t0
    li s5, VA
    li t0, 0x1234; sd t0, 0(s3)

    CASE(1); ori t0, s4, V|R; sd t0, 0(s2); sfence.vma; jal ra, tosuper; TRY(ld t1, 0(s5)); EXPECT(s10, -1)
             EXPECT(t1, 0x1234); TRY(ecall); ld t0, 0(s2); ori t1, s4, V|R|A; bne t0, t1, fail
    CASE(2); jal ra, tosuper; TRY(sd t1, 8(s5)); EXPECT_TRAP(15); bne s11, s5, 1f; j fail
1:           addi t0, s5, 8; bne s11, t0, fail
    /* D is set by the first store, not before. */
    CASE(3); ori t0, s4, V|R|W; sd t0, 0(s2); sfence.vma; jal ra, tosuper; ld t1, 0(s5); sd t1, 8(s5); TRY(ecall)
             ld t0, 0(s2); ori t1, s4, V|R|W|A|D; bne t0, t1, fail; ld t0, 8(s3); EXPECT(t0, 0x1234)
    /* A user page needs SUM in S. */
    CASE(4); ori t0, s4, V|R|W|U; sd t0, 0(s2); sfence.vma; jal ra, tosuper; TRY(ld t1, 0(s5)); EXPECT_TRAP(13)
    CASE(5); li t0, 1 << 18; csrs mstatus, t0; jal ra, tosuper; TRY(ld t1, 0(s5)); EXPECT(s10, -1); EXPECT(t1, 0x1234)
             TRY(ecall); EXPECT_TRAP(9)
    CASE(6); li t0, 1 << 18; csrc mstatus, t0; jal ra, tosuper; TRY(ld t1, 0(s5)); EXPECT_TRAP(13)
    /* Execute-only is readable with MXR. */
    CASE(7); ori t0, s4, V|X|A; sd t0, 0(s2); sfence.vma; jal ra, tosuper; TRY(ld t1, 0(s5)); EXPECT_TRAP(13)
    CASE(8); li t0, 1 << 19; csrs mstatus, t0; jal ra, tosuper; TRY(ld t1, 0(s5)); EXPECT(s10, -1); TRY(ecall)
             li t0, 1 << 19; csrc mstatus, t0
    CASE(9); jal ra, tosuper; TRY(ld t1, 0(s5)); EXPECT_TRAP(13)
    /* MPRV: M-mode loads with the translation of MPP. */
    CASE(10); ori t0, s4, V|R|W; sd t0, 0(s2); sfence.vma; li t0, 0x1800; csrc mstatus, t0; li t0, 0x800; csrs mstatus, t0
              li t0, 1 << 17; csrs mstatus, t0; ld t1, 0(s5); li t0, 1 << 17; csrc mstatus, t0; EXPECT(t1, 0x1234)
    /* W without R, a reserved bit, an invalid entry, a non-canonical address, a misaligned superpage. */
    CASE(11); ori t0, s4, V|W; sd t0, 0(s2); sfence.vma; jal ra, tosuper; TRY(ld t1, 0(s5)); EXPECT_TRAP(13)
    CASE(12); ori t0, s4, V|R; li t1, 1 << 60; or t0, t0, t1; sd t0, 0(s2); sfence.vma; jal ra, tosuper
              TRY(ld t1, 0(s5)); EXPECT_TRAP(13)
    CASE(13); sd zero, 0(s2); sfence.vma; jal ra, tosuper; TRY(ld t1, 0(s5)); EXPECT_TRAP(13)
    CASE(14); li t2, 1 << 39; jal ra, tosuper; TRY(ld t1, 0(t2)); EXPECT_TRAP(13); bne s11, t2, fail
    CASE(15); li t0, PTE(0x80001000, V|R|A); sd t0, 16(s1); sfence.vma; li t2, VA + 0x400000; jal ra, tosuper
              TRY(ld t1, 0(t2)); EXPECT_TRAP(13)
    /* The 2 MiB page shows the same bytes; a store through it is seen by the small page. */
    CASE(16); ori t0, s4, V|R|W; sd t0, 0(s2); sfence.vma; li t2, VA + 0x200000 - 0x80000000; add t2, t2, s3
              jal ra, tosuper; li t0, 77; sd t0, 16(t2); ld t1, 16(s5); EXPECT(t1, 77); TRY(ecall)
    /* A change of a translation counts after sfence.vma of that address. */
    CASE(17); jal ra, tosuper; ld t1, 0(s5); la t0, other; srli t0, t0, 2; ori t0, t0, V|R|W; sd t0, 0(s2)
              sfence.vma s5; ld t1, 0(s5); EXPECT(t1, 0x5678); TRY(ecall); ori t0, s4, V|R|W; sd t0, 0(s2); sfence.vma
    /* Fetch: a page fault shows the address; U pages are not for S to execute. */
    CASE(18); la s9, 1f; jal ra, tosuper; jr s5
1:            EXPECT_TRAP(12); bne s11, s5, fail
    CASE(19); li t0, 0x00008067; sw t0, 0(s3); fence.i; ori t0, s4, V|R|X; sd t0, 0(s2); sfence.vma; jal ra, tosuper
              jalr ra, 0(s5); TRY(ecall); EXPECT_TRAP(9)
    CASE(20); ori t0, s4, V|R|X|U; sd t0, 0(s2); sfence.vma; la s9, 1f; jal ra, tosuper; jr s5
1:            EXPECT_TRAP(12)
    /* A misaligned load over a page border whose second page is missing reports the second page. */
    CASE(21); ori t0, s4, V|R|W; sd t0, 0(s2); sd zero, 8(s2); sfence.vma; jal ra, tosuper; li t2, VA + 4092
              TRY(ld t1, 0(t2)); EXPECT_TRAP(13); li t2, VA + 4096; bne s11, t2, fail
    CASE(22); li t2, VA + 4092; jal ra, tosuper; li t2, VA + 4092; sw zero, 0(t2); li t1, -1
              TRY(sd t1, 0(t2)); EXPECT_TRAP(15); li t2, 4092; add t2, t2, s3; lw t0, 0(t2); bnez t0, fail
    /* Sv48 with one more level. */
    CASE(23); la t0, top; la t1, root; srli t1, t1, 2; ori t1, t1, V; sd t1, 0(t0); srli t0, t0, 12; li t1, 9 << 60
              or t0, t0, t1; csrw satp, t0; li t0, 0x1234; sd t0, 0(s3); jal ra, tosuper; ld t1, 0(s5); EXPECT(t1, 0x1234)
              TRY(ecall); EXPECT_TRAP(9)
    CASE(24); li t2, 1 << 39; jal ra, tosuper; TRY(ld t1, 0(t2)); EXPECT_TRAP(13)
    /* Two address spaces that differ in one page; what is global is the same in both. No fence between them. */
    CASE(25); la t0, root; li t1, PTE(0x80000000, V|R|W|X|A|D|G); sd t1, 16(t0); la t2, top; sd t1, 16(t2)
              li t1, PTE(0x80000000, V|R|W|A|D); sd t1, 8(t2); la s0, other; srli s0, s0, 2; ori s0, s0, V|R|W|A|D
              li t1, 0x1ff000; and s1, s3, t1; srli t1, s1, 9; add s2, s2, t1; sd s0, 0(s2); add s5, s5, s1
              li t1, 0x80001 << 44; srli s6, t0, 12; or s6, s6, t1; li t1, 0x80002 << 44; srli s7, t2, 12; or s7, s7, t1
              li t1, 0x1234; sd t1, 0(s3); csrw satp, s6; sfence.vma; jal ra, tosuper
              ld t1, 0(s5); EXPECT(t1, 0x5678); csrw satp, s7; ld t1, 0(s5); EXPECT(t1, 0x1234)
              csrw satp, s6; ld t1, 0(s5); EXPECT(t1, 0x5678)
    /* A fence of one address space, and of one page of it. */
    CASE(26); li t2, 1; ori s4, s4, V|R|W|A|D; sd s4, 0(s2); sfence.vma zero, t2; ld t1, 0(s5); EXPECT(t1, 0x1234)
    CASE(27); sd s0, 0(s2); sfence.vma s5, t2; ld t1, 0(s5); EXPECT(t1, 0x5678)
              TRY(ecall); EXPECT_TRAP(9)
    PASS

    .data
    .balign 4096
root: .space 4096
mid: .space 4096
low: .space 4096
top: .space 4096
page: .space 4096
other: .dword 0x5678
    .space 4088
